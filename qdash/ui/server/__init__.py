"""What answers browsers: backend, queue, tabs, visitors, and the limits of a public server. No component is made here."""
