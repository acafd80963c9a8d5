"""How runs are drawn, from records alone: used by the page that runs them and by History."""
