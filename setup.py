"""What pyproject.toml cannot say: the README, the documents and their pictures become part of the package, for the page's help."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DOCUMENTS = ("README.md", "docs/*.md", "assets/screenshots/*.png")


class BuildWithDocuments(build_py):
    """Copies the documents into `qdash/documents`, in the folders they have in the repository, so that links between them hold."""

    def run(self) -> None:
        """Build the package, then add the documents."""
        super().run()
        if self.editable_mode:  # then the repository is there
            return
        for document in (file for pattern in DOCUMENTS for file in Path().glob(pattern)):
            copy = Path(self.build_lib, "qdash", "documents", document)
            self.mkpath(str(copy.parent))
            self.copy_file(str(document), str(copy))


setup(cmdclass={"build_py": BuildWithDocuments})
