"""What strangers may try: nothing of it holds the page up, reads what is somebody else's, or fills the machine."""
