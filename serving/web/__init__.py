"""A page that paints photos in the browser, without a server; see `serving.web.__main__`."""
