"""What quantizing single layers costs, better ways to round weights than to the nearest value, and training weights for few bits."""
