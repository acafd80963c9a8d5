"""The sidebar: model, schemes, picture, question and measurement, and what the form becomes before anything runs."""
