"""The directive ``gallery-figure``: a picture of the gallery, where the gallery was executed."""

from pathlib import Path

from sphinx.directives.patches import Figure


class GalleryFigure(Figure):
    """As ``figure``; nothing in builds that leave the gallery out."""

    def run(self):
        """Look whether it was drawn."""
        env = self.state.document.settings.env
        picture = Path(env.srcdir) / self.arguments[0].lstrip("/")
        env.note_dependency(str(picture))
        return super().run() if picture.exists() else []


def setup(app):
    """Called by Sphinx."""
    app.add_directive("gallery-figure", GalleryFigure)
    return {"parallel_read_safe": True}
