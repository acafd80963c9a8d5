"""Models are told apart by as few words as do."""

from qdash.present.telling_apart import told_apart


def test_one_name_is_told_by_its_folder() -> None:
    models = ["/data/ann/m-Q4.gguf", "/data/bob/m-Q4.gguf", "/data/bob/m-Q8.gguf", "tiny-lm"]
    assert list(told_apart(models).values()) == ["ann/m-Q4.gguf", "bob/m-Q4.gguf", "m-Q8.gguf", "Bundled story finisher"]


def test_as_many_folders_as_it_takes() -> None:
    models = ["/a/x/m.gguf", "/b/x/m.gguf", "y/m.gguf", "m.gguf"]
    assert list(told_apart(models).values()) == ["a/x/m.gguf", "b/x/m.gguf", "y/m.gguf", "m.gguf"]
