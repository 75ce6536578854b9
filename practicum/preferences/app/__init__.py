"""The ranking app: raters in a browser or over HTTP, the owner's page, and what keeps both safe."""
