"""Reads what ``rayllm convert`` is given, and the files and directories that a Serve configuration names."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rayllm_operator.cli.documents import (
    STANDARD_INPUT,
    UnreadableInputError,
    read_contents,
    without_tabs_of_json,
)
from rayllm_operator.convert.llm_config import convert_llm_config
from rayllm_operator.convert.manifest import Conversion, name_of
from rayllm_operator.convert.notes import Kind, Note
from rayllm_operator.convert.recognise import FileReference, Found, LLMConfigPiece, RegistryPiece, find_models
from rayllm_operator.convert.registry_file import convert_registry_file
from rayllm_operator.convert.source import Source, TreeError, split


@dataclass(frozen=True)
class NamedConversion:
    """A model that was found, with the name that it gets."""

    name: str
    """Empty where none could be made, which is among the notes."""
    conversion: Conversion


class ConversionInputs:
    """Everything that was found in some files, each file once."""

    def __init__(self, root: str | None, *, last_key_wins: bool) -> None:
        self.models: list[NamedConversion] = []
        self.notes: list[Note] = []
        self._root = Path(root) if root is not None else None
        self._last_key_wins = last_key_wins
        self._seen: set[Path] = set()

    def read(self, path: str) -> None:
        """Read a file, a directory or standard input (``-``).

        Raises
        ------
        UnreadableInputError
            It does not exist or cannot be read, or is a directory without YAML.
        """
        for label, content in read_contents(path):
            resolved = Path(label).resolve()
            if path == STANDARD_INPUT:
                self._read_text(label, content, None)
            elif resolved not in self._seen:
                self._seen.add(resolved)
                self._read_text(label, content, resolved)

    def _read_text(self, label: str, content: bytes, file: Path | None) -> None:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self.notes.append(Note(Kind.ERROR, label, line, "", "not UTF-8 text; save the file as UTF-8"))
            return
        try:
            sources = split(label, without_tabs_of_json(text))
        except TreeError as error:
            self.notes.append(Note(Kind.ERROR, label, error.line, "", str(error)))
            return
        if not sources:
            self.notes.append(Note(Kind.WARNING, label, 1, "", "holds nothing"))
        for source in sources:
            for found in self._found(source):
                self._take(found, file, label if file is not None and len(sources) == 1 else None)

    def _found(self, source: Source) -> Iterator[Found]:
        try:
            yield from find_models(source)
        except TreeError as error:
            self.notes.append(Note(Kind.ERROR, source.label, error.line, "", str(error)))

    def _take(self, found: Found, file: Path | None, name_giver: str | None) -> None:
        if isinstance(found, Note):
            self.notes.append(found)
        elif isinstance(found, FileReference):
            self._follow(found, file)
        elif isinstance(found, RegistryPiece):
            conversion = convert_registry_file(found.source, last_key_wins=self._last_key_wins)
            self._add(conversion, name_giver if found.is_whole else None)
        elif isinstance(found, LLMConfigPiece):
            self._add(convert_llm_config(found.source, found.deployments), None)

    def _add(self, conversion: Conversion, name_giver: str | None) -> None:
        engine = conversion.spec.get("engine_config")
        model_id = engine.get("model_id") if isinstance(engine, dict) else None
        name = ""
        try:
            name = name_of(name_giver, model_id)
        except ValueError as error:
            line = conversion.lines[()]
            self.notes.append(Note(Kind.ERROR, conversion.source, line, "", f"has no name: {error}"))
        self.models.append(NamedConversion(name, conversion))

    def _follow(self, reference: FileReference, file: Path | None) -> None:
        """Read what a Serve configuration names, by a path that was relative to the cluster's directory."""
        roots = [self._root] if self._root is not None else _roots(file)
        for root in roots:
            found = root / reference.path
            if found.exists():
                try:
                    self.read(_shown(found))
                except UnreadableInputError as error:
                    self.notes.append(reference.note(Kind.ERROR, error.message))
                return
        where = f"in {_shown(roots[0])}" + (" or above it" if len(roots) > 1 else "")
        message = f"names {reference.path!r}, which is not {where}; say where it is by --root DIR"
        self.notes.append(reference.note(Kind.ERROR, message))


def _roots(file: Path | None) -> Sequence[Path]:
    """Return the directories that a relative path may start from: those around its file, nearest first.

    RayLLM resolved it in the working directory of the cluster, which held the files as a whole.
    """
    here = Path.cwd()
    if file is None:
        return [here]
    around = list(file.parents)
    return around[: around.index(here) + 1] if here in around else [*around, here]


def _shown(path: Path) -> str:
    """Return a path as users would write it: relative where it lies below the current directory."""
    resolved = path.resolve()
    return os.path.relpath(resolved) if resolved.is_relative_to(Path.cwd()) else str(resolved)
