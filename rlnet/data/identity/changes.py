"""What changed between the images of a data set then and now, in plain sentences."""

from collections.abc import Iterator, Mapping

from rlnet.data.files.layout import WHOLE
from rlnet.data.files.shown import shown
from rlnet.data.identity.class_print import Classes, ClassPrint


def changes(before: Mapping[str, Classes], now: Mapping[str, Classes]) -> Iterator[str]:
    """A sentence for each part and class that is new, gone or other than it was; none if nothing changed."""
    if (WHOLE in before) != (WHOLE in now):
        yield f"the images lay in {_places(before)}, and lie in {_places(now)}"
        return
    for part in [*before, *now]:
        if part not in before:
            yield f"{part}/ is new"
        elif part not in now:
            yield f"{part}/ is gone"
    common = [part for part in before if part in now]
    yield from _new_and_gone({part: before[part] for part in common}, {part: now[part] for part in common})
    for part in common:
        for name, then in before[part].items():
            if name in now[part] and then != now[part][name]:
                yield _class_changed(part, shown(name), then, now[part][name])
    if any(_reordered(before[part], now[part]) for part in common):
        yield "the classes are in another order"


def _new_and_gone(before: Mapping[str, Classes], now: Mapping[str, Classes]) -> Iterator[str]:
    """Of classes; a class that is new or gone in every part is named once."""
    for less, more, word in ((before, now, "new"), (now, before, "gone")):
        for name in dict.fromkeys(name for classes in more.values() for name in classes):
            parts = [part for part in more if name in more[part] and name not in less[part]]
            if len(parts) == len(more):
                yield f"class {shown(name)} is {word}"
            else:
                yield from (f"class {shown(name)} of {part}/ is {word}" for part in parts)


def _class_changed(part: str, name: str, then: ClassPrint, now: ClassPrint) -> str:
    more = now.images - then.images
    if more == 0:
        return f"class {name}{'' if part == WHOLE else f' of {part}/'} has as many images, but other names or contents"
    place = "the folder" if part == WHOLE else f"{part}/"
    images = f"{now.images:,} image{'' if now.images == 1 else 's'}"
    return f"{place} has {images} of class {name}, {abs(more):,} {'more' if more > 0 else 'fewer'}"


def _reordered(before: Classes, now: Classes) -> bool:
    return [name for name in before if name in now] != [name for name in now if name in before]


def _places(parts: Mapping[str, Classes]) -> str:
    return "one folder, split here" if WHOLE in parts else " and ".join(f"{part}/" for part in parts)
