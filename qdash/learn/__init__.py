"""What the Learn tab plays with: rows of numbers, real or drawn, and the ways to quantize them. numpy at most: pages import it."""
