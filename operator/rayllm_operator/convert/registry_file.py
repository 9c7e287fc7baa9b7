"""A RayLLM registry file of any version becomes the spec of an LLMModel."""

from rayllm_operator.convert.differences import settle_differences
from rayllm_operator.convert.draft import CannotWriteError, Draft
from rayllm_operator.convert.manifest import Conversion
from rayllm_operator.convert.notes import Kind, Note
from rayllm_operator.convert.older_dialects import is_older, modernise
from rayllm_operator.convert.sections import walk_sections
from rayllm_operator.convert.source import Source
from rayllm_operator.convert.tree import Tree, key_text, parse


def convert_registry_file(source: Source, *, last_key_wins: bool) -> Conversion:
    """Convert one registry file.

    Parameters
    ----------
    source
        The file, or its piece, that holds one mapping.
    last_key_wins
        Whether of a key that is written twice the last counts, as in RayLLM; else it is an error.

    Raises
    ------
    TreeError
        The text is not YAML.
    """
    tree = parse(source)
    if tree.duplicates and not last_key_wins:
        notes = [_duplicate(tree, index) for index in range(len(tree.duplicates))]
        return Conversion(source.label, tree.data, {(): tree.line(())}, "", tuple(notes))
    draft = Draft(tree)
    notes = _drop_first_of_two(draft)
    older = is_older(draft)
    if older:
        modernise(draft)
        notes += draft.notes
        draft = Draft(parse(draft.source()))
    elif notes:
        draft = Draft(parse(draft.source()))
    settle_differences(draft, older=older)
    walk_sections(draft)
    return _conversion(draft, notes)


def _conversion(draft: Draft, notes: list[Note]) -> Conversion:
    text = ""
    if not any(note.kind is Kind.ERROR for note in (*notes, *draft.notes)):
        try:
            text = draft.text()
        except CannotWriteError as error:
            draft.note(Kind.ERROR, (), str(error))
    return Conversion(draft.tree.source.label, draft.data, draft.lines(), text, (*notes, *draft.notes))


def _duplicate(tree: Tree, index: int) -> Note:
    duplicate = tree.duplicates[index]
    first, again = tree.line_of(duplicate.first), tree.line_of(duplicate.again)
    message = (
        f"the key is written twice, in lines {first} and {again}; remove one of them "
        "(RayLLM took the last: --last-key-wins)"
    )
    return Note(Kind.ERROR, tree.source.label, again, key_text(duplicate.path), message)


def _drop_first_of_two(draft: Draft) -> list[Note]:
    notes = []
    tree = draft.tree
    for duplicate in tree.duplicates:
        first, again = tree.line_of(duplicate.first), tree.line_of(duplicate.again)
        message = f"is written again in line {again}, and RayLLM took the last"
        notes.append(Note(Kind.COMMENTED, tree.source.label, first, key_text(duplicate.path), message))
        draft.leave_out_text(duplicate.first, "written again below, and RayLLM took the last")
    return notes
