"""The block `search` of a space: domains instead of lists, from which a sampler chooses.

    name: margins
    fixed: {dataset: cifar10, ratio: 100, seeds: [1, 2, 3]}
    search:
      domains:                                # in this order; a condition names an earlier key
        loss.name: {choice: [bce, s_lm, s_fl]}
        loss.margin: {log_uniform: [0.1, 10], when: {loss.name: [s_lm]}}
        loss.gamma: {uniform: [0.1, 5], when: {loss.name: [s_fl]}}
        alm: {choice: [none, ALM_14_beg]}
        alm.penalty: {log_uniform: [1e-9, 1e-2]}    # applies where the constraint is not none
        delta: {uniform: [0, 1]}                    # likewise
      objectives: [val/auroc, val/fpr_at_tpr_98]    # default: what steers the task, of the ensemble
      start: published                        # or a list of settings: tried before any other
      samples: 200                            # default of --num-samples
      seed: 1                                 # default of --seed

domains      mapping of keys, in this order, to domains; `when` in one says where its key applies; required
objectives   list of metrics of the ensemble on validation; default: what steers the task
start        `published`, or a list of settings: tried before any other; default: none
samples      whole number, at least 1: how many trials; default: `--num-samples`
seed         whole number, at least 0: of the sampler; default: 0, and `--seed` goes first

Domains are those of the block `random`. With `start: published` the paper's published configurations that
lie in the space come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from search_spaces.axis import check_mapping, check_whole
from search_spaces.config import Metric, Task
from search_spaces.domains import Choice, parse_domain
from search_spaces.labels import check_labels
from search_spaces.limits import MOST_COMBINATIONS, MOST_SEED
from search_spaces.paper.published import published_settings
from search_spaces.problem import Problem, join, shown, unknown_key, unknown_value
from search_spaces.reading import DEFAULT_READING, Reading
from search_spaces.search import Dimension, Point, Search, is_none, objective_name
from search_spaces.settings import Setting, TrialBuilder, comparable, setting

_KEYS = ("domains", "objectives", "start", "samples", "seed")
PUBLISHED = "published"


def parse_search(fixed: Sequence[Setting], block: object, reading: Reading = DEFAULT_READING) -> Search:
    """The search of a block `search` beside these fixed settings.

    Raises Problem, at its place below `search`, for what is not as the module says, and for domains of which
    an extreme value makes no trial.
    """
    given = check_mapping("search", block)
    for key in given:
        if key not in _KEYS:
            raise unknown_key(join("search", key), key, _KEYS)
    samples = None
    if "samples" in given:
        samples = check_whole("search.samples", given["samples"], 1, MOST_COMBINATIONS)
    search = Search(
        fixed=tuple(fixed),
        dimensions=_dimensions(fixed, given.get("domains")),
        reading=reading,
        samples=samples,
        seed=check_whole("search.seed", given.get("seed", 0), 0, MOST_SEED),
    )
    # Those of one source at several ratios are one here.
    by_metrics: dict[tuple[Metric, ...], Task] = {}
    trials = [search.trial(point) for point in extremes(search)]
    check_labels(trials)
    blocks = tuple(dict.fromkeys(trial.data for trial in trials))
    for task in blocks:
        by_metrics.setdefault(task.headline(reading.targets), task)
    tasks = tuple(by_metrics.values())
    goals = _goals(tasks, reading, given)
    start = tuple(_start(search, given.get("start", ())))
    return replace(search, tasks=tasks, blocks=blocks, goals=goals, start=start)


def _dimensions(fixed: Sequence[Setting], block: object) -> tuple[Dimension, ...]:
    origins = {given.key: given.origin for given in fixed}
    found: dict[str, Dimension] = {}
    for name, value in check_mapping("search.domains", block).items():
        path = join("search.domains", name)
        key = setting(name, None, path).key
        if key in origins:
            raise Problem(path, "every key once", f"also as {origins[key]}")
        if key == "seeds":
            raise Problem(path, "a key that tells trials apart", shown(name))
        domain = dict(value) if isinstance(value, Mapping) else value
        when = domain.pop("when", {}) if isinstance(domain, dict) else {}
        parsed = parse_domain(path, key, domain)
        if isinstance(parsed, Choice):
            _check_labels(path, parsed)
        conditions = _conditions(join(path, "when"), when, found) if when else ()
        below = key.startswith("constraint.") and "constraint" not in dict(conditions)
        if below and "constraint" in found:
            conditions = (*conditions, _where_constrained(found["constraint"]))
        origins[key] = path
        found[key] = Dimension(key, parsed, conditions, path)
    for key, dimension in found.items():
        part = key.partition(".")[0]
        if key != part and part in list(found)[list(found).index(key) :]:
            raise Problem(dimension.origin, f"{part} before it", "after it")
    return tuple(found.values())


def _check_labels(path: str, choice: Choice) -> None:
    labels = [label(option) for option in choice.options]
    if len(set(labels)) != len(labels):
        raise Problem(path, "options that are written differently", shown(list(choice.options)))


def label(option: object) -> str:
    """An option as text: that by which the study knows it."""
    return option if isinstance(option, str) else repr(option)


def _conditions(
    path: str, given: object, earlier: Mapping[str, Dimension]
) -> tuple[tuple[str, tuple[object, ...]], ...]:
    found = []
    for name, values in check_mapping(path, given).items():
        place = join(path, name)
        key = setting(name, None, place).key
        dimension = earlier.get(key)
        if dimension is None or not isinstance(dimension.domain, Choice):
            raise Problem(place, "an earlier key with a choice", shown(name))
        if not isinstance(values, list | tuple) or not values:
            raise Problem(place, "a list of at least one value", shown(values))
        options = {comparable(key, option): option for option in dimension.domain.options}
        for i, value in enumerate(values):
            if comparable(key, value) not in options:
                raise Problem(join(place, f"[{i}]"), f"an option of {dimension.origin}", shown(value))
        found.append((key, tuple(options[comparable(key, value)] for value in values)))
    return tuple(found)


def _where_constrained(constraint: Dimension) -> tuple[str, tuple[object, ...]]:
    options = constraint.domain.options if isinstance(constraint.domain, Choice) else ()
    return "constraint", tuple(option for option in options if not is_none(option))


def extremes(search: Search) -> Iterator[Point]:
    """Points in which every extreme value of every dimension occurs, under each value of its conditions."""
    by_key = {dimension.key: dimension for dimension in search.dimensions}
    for dimension in search.dimensions:
        for wanted in _reaching(dimension, by_key):
            for extreme in dimension.domain.extremes():
                values = {**wanted, dimension.key: extreme}
                point = search.walk(lambda d, values=values: values.get(d.key, d.domain.extremes()[0]))  # type: ignore[misc]
                if dimension.key not in point:
                    raise Problem(dimension.origin, "conditions that can hold together", "others")
                yield point


def _reaching(dimension: Dimension, by_key: Mapping[str, Dimension]) -> list[dict[str, object]]:
    """Values of earlier dimensions with which a dimension applies: one per value of its own conditions."""
    ways: list[dict[str, object]] = [{}]
    for key, values in dimension.when:
        before = _reaching(by_key[key], by_key)[0]
        ways = [{**before, **way, key: value} for way in ways for value in values]
    return ways


def _goals(tasks: Sequence[Task], reading: Reading, block: Mapping[str, object]) -> tuple[Metric, ...]:
    """What the block's objectives name: headline metrics that all tasks of the search have."""
    offered = {objective_name(metric): metric for metric in tasks[0].headline(reading.targets)}
    for task in tasks[1:]:
        known = task.headline(reading.targets)
        offered = {name: metric for name, metric in offered.items() if metric in known}
    for task in tasks:
        if not task.validates:
            raise Problem("search", "data with a validation split, by which it searches", "none")
    given = block.get("objectives", [objective_name(tasks[0].steering_metric)])
    if not isinstance(given, list | tuple) or not given:
        raise Problem("search.objectives", "a list of at least one value", shown(given))
    goals: list[Metric] = []
    for i, name in enumerate(given):
        path = f"search.objectives[{i}]"
        if not isinstance(name, str) or name not in offered:
            raise unknown_value(path, name, list(offered))
        if offered[name] in goals:
            raise Problem(path, "every objective once", shown(name))
        goals.append(offered[name])
    return tuple(goals)


def _start(search: Search, given: object) -> Iterator[Point]:
    if given == PUBLISHED:
        yield from _published(search)
        return
    if not isinstance(given, list | tuple):
        raise Problem("search.start", f"a list of settings, or {PUBLISHED}", shown(given))
    builder = TrialBuilder()
    for i, one in enumerate(given):
        path = f"search.start[{i}]"
        settings = {fixed.key: fixed for fixed in search.fixed}
        for key, value in check_mapping(path, one).items():
            own = setting(key, value, join(path, key))
            settings[own.key] = own
        point = search.locate(builder.build(list(settings.values())))
        if point is None:
            raise Problem(path, "a configuration that lies in the domains", shown(one))
        yield point


def _published(search: Search) -> Iterator[Point]:
    """The published configurations that lie in the search, in their order."""
    builder = TrialBuilder()
    fixed = {s.key: s for s in search.fixed}
    for row in published_settings():
        settings = dict(fixed)
        for key, value in row.items():
            one = setting(key, value, PUBLISHED)
            if one.key in fixed and not _agree(one, fixed[one.key]):
                break  # the search fixes another value
            settings[one.key] = one
        else:
            point = search.locate(builder.build(list(settings.values())))
            if point is not None:
                yield point


def _agree(one: Setting, other: Setting) -> bool:
    return comparable(one.key, one.value) == comparable(other.key, other.value)
