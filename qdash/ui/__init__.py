"""The page: Gradio lives here and only here. Handlers are plain functions over records; components only show what those return."""
