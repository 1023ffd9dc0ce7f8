"""Which settings a reader can follow, and what they become: powers, link profiles, search modes, sensitivity."""

from __future__ import annotations

from reader_drivers._reader import ReaderSettings, SettingsError
from reader_drivers.llrp.capabilities import LlrpCapabilities
from reader_drivers.llrp.codec import SAME, SearchMode
from reader_drivers.llrp.modes import IMPINJ_MODES, mode_text
from reader_drivers.llrp.options import Choices
from reader_drivers.setting_checks import check_gen2, check_ports

_SEARCH = {"dual": SearchMode.DUAL_TARGET, "single": SearchMode.SINGLE_TARGET, "focus": SearchMode.TAG_FOCUS}


def power_entry(
    settings: ReaderSettings, abilities: LlrpCapabilities, where: str, port: int = 0
) -> tuple[float, int]:
    """Return `(dBm, table index)` of the power to set on a port: the highest at or below the one asked for.

    Raises
    ------
    SettingsError
        It lies below the table.
    """
    asked = settings.port_power_dbm.get(port, settings.power_dbm)
    if asked is None:
        return abilities.power_index[-1]
    below = [entry for entry in abilities.power_index if entry[0] <= asked + 1e-9]
    if not below:
        low, high = abilities.power_index[0][0], abilities.power_index[-1][0]
        raise SettingsError(f"{where}: power {asked:g} dBm is below its table ({low:g} to {high:g} dBm)")
    return below[-1]


def sensitivity_index(choices: Choices, abilities: LlrpCapabilities, where: str, port: int = 0) -> int | None:
    """Return the index of the receive sensitivity for a port, at or above (more sensitive than) the one asked for.

    Returns
    -------
    int or None
        None: the reader's own is kept.

    Raises
    ------
    SettingsError
        The reader has no such table, or does not say what its best is in dBm.
    """
    if choices.sensitivity is None:
        return None
    table = abilities.sensitivity
    low, high = table.ranges.get(port, (0, 0xFFFF))
    entries = [(db, index) for db, index in table.entries if low <= index <= high]
    if len(entries) < 2:
        raise SettingsError(f"{where}: its receive sensitivity cannot be set; leave option sensitivity out")
    below_best = choices.sensitivity
    if below_best < 0:
        if table.best_dbm is None:
            raise SettingsError(
                f"{where}: it does not say its best sensitivity in dBm; give dB below its best, such as 10"
            )
        below_best -= table.best_dbm
    at_least = [entry for entry in entries if entry[0] <= below_best + 1e-9]
    if not at_least:
        raise SettingsError(f"{where}: sensitivity {choices.sensitivity:g} is beyond its best")
    return at_least[-1][1]


def rf_mode(
    settings: ReaderSettings, choices: Choices, abilities: LlrpCapabilities, where: str
) -> int | None:
    """Return the number of the link profile to set; None: the reader's own.

    Raises
    ------
    SettingsError
        The reader has no such profile, or its profiles are not Impinj's.
    """
    number = settings.rf_mode
    if number is None and choices.profile is not None:
        if not abilities.impinj:
            raise SettingsError(
                f"{where}: profile {choices.profile} is Impinj's; name its own number with mode"
            )
        number = IMPINJ_MODES[choices.profile]
    if number is not None and abilities.modes and number not in abilities.modes:
        known = ", ".join(mode_text(mode, abilities.impinj) for mode in abilities.modes)
        raise SettingsError(f"{where}: no mode {mode_text(number, abilities.impinj)}; it has {known}")
    return number


def search_mode(
    settings: ReaderSettings, choices: Choices, abilities: LlrpCapabilities, where: str
) -> int | None:
    """Return the number of Impinj's search mode; None: the reader has none.

    Raises
    ------
    SettingsError
        The reader cannot search so.
    """
    if not abilities.impinj:
        if choices.search_mode is not None:
            raise SettingsError(f"{where}: search_mode is Impinj's; leave it out")
        if settings.search != "dual":
            raise SettingsError(f"{where}: search {settings.search} needs Impinj's extensions; use dual")
        return None
    if choices.search_mode is None:
        number = _SEARCH[settings.search]
        if settings.target == "A" and settings.search == "dual":
            number = SearchMode.SINGLE_TARGET
    elif choices.search_mode in list(SearchMode):
        number = SearchMode(choices.search_mode)
    else:
        known = ", ".join(str(int(mode)) for mode in SearchMode)
        raise SettingsError(f"{where}: no search mode {choices.search_mode}; Impinj's are {known}")
    return int(number)


def _check_target(
    settings: ReaderSettings, choices: Choices, abilities: LlrpCapabilities, where: str
) -> None:
    if settings.target is None:
        return
    number = search_mode(settings, choices, abilities, where)
    one_way = number in (SearchMode.SINGLE_TARGET, SearchMode.TAG_FOCUS)
    if settings.target == "AB":
        if number != SearchMode.DUAL_TARGET:
            what = (
                "needs Impinj's dual target search" if number is None else "contradicts its search; use dual"
            )
            raise SettingsError(f"{where}: target AB {what}")
    elif number is None and not abilities.state_aware:
        raise SettingsError(f"{where}: target {settings.target}: it cannot be told which tags are to answer")
    elif number is not None and settings.target == "B":
        raise SettingsError(f"{where}: target B: Impinj readers search from A; use target A or AB")
    elif number is not None and not one_way:
        raise SettingsError(f"{where}: target A contradicts search_mode {number}; leave one out")


def check_kind(settings: ReaderSettings, where: str, choices: Choices) -> None:
    """Refuse settings that no LLRP reader can follow.

    Raises
    ------
    SettingsError
        Says which, and what can be done.
    """
    if settings.q is not None:
        raise SettingsError(
            f"{where}: q {settings.q}: LLRP lets the reader choose Q; say how many tags to expect (population)"
        )
    check_gen2(settings, where)
    by_number = choices.search_mode
    focus = settings.search == "focus" if by_number is None else by_number == SearchMode.TAG_FOCUS
    if focus and settings.session not in (None, 1):
        raise SettingsError(f"{where}: search focus works in session 1 only, not {settings.session}")


def check_settings(
    settings: ReaderSettings, abilities: LlrpCapabilities, where: str, choices: Choices | None = None
) -> None:
    """Refuse settings that this reader cannot follow; none is passed over.

    Raises
    ------
    SettingsError
        Says which, and what the reader can do.
    """
    choices = choices or Choices()
    check_ports(settings, abilities.public, where)
    region = abilities.public.region
    if settings.region is not None and SAME.get(settings.region, settings.region) != region.upper():
        raise SettingsError(
            f"{where}: its region is {region}; LLRP cannot set {settings.region}, the reader's own pages can"
        )
    rf_mode(settings, choices, abilities, where)
    _check_channels(settings, abilities, where)
    search_mode(settings, choices, abilities, where)
    _check_target(settings, choices, abilities, where)
    for port in (0, *settings.port_power_dbm):
        power_entry(settings, abilities, where, port)
    for port in settings.ports or range(1, abilities.public.antennas + 1):
        sensitivity_index(choices, abilities, where, port)


def _check_channels(settings: ReaderSettings, abilities: LlrpCapabilities, where: str) -> None:
    count = len(abilities.channels.frequencies_khz)
    if wrong := [c for c in settings.channels if c not in range(1, count + 1)]:
        raise SettingsError(f"{where}: no channel {wrong[0]}; it has 1 to {count}")
    if settings.channels and abilities.hopping and abilities.public.region == "FCC":
        raise SettingsError(f"{where}: FCC part 15.247 makes it hop over all channels; leave channels empty")
    if settings.channels and abilities.hopping and not abilities.impinj:
        raise SettingsError(f"{where}: it hops; staying on a channel needs Impinj's extensions")
    if len(settings.channels) > 1 and not abilities.impinj:
        raise SettingsError(f"{where}: several fixed channels need Impinj's extensions; name one, or none")
