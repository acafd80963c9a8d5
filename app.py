"""The dashboard: `python app.py`. On Hugging Face Spaces this is what runs."""

if __name__ == "__main__":
    # Workers are processes that import this module as their own main module: whatever stood outside the guard, they would load too.
    from qdash.ui.start import main

    main()
