"""Short stories in English and Chinese whose last words follow from what was told."""
