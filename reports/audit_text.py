"""The sentences of an audit."""

from __future__ import annotations

from reports.phrases import Said, say, say_n


class S:
    """Sentences; each is a template with values, said in English and in any language later."""

    @staticmethod
    def line(number: int, note: str) -> Said:
        """Say it of one line of the scan."""
        return say("Line {number}: {note}", number=number, note=note)

    @staticmethod
    def double(barcode: str) -> Said:
        """Say that the reader beeped twice."""
        return say("{barcode} twice in a row: counted once.", barcode=barcode)

    @staticmethod
    def twice(barcode: str, n: int, shelves: str) -> Said:
        """Say that one book is at two places of the scan."""
        return say(
            "{barcode} was scanned {n} times, on {shelves}: the first is taken; look whether two books carry it.",
            barcode=barcode, n=n, shelves=shelves,
        )  # fmt: skip

    @staticmethod
    def spoiled(text: str) -> Said:
        """Say that a spreadsheet made a floating-point number of it."""
        return say(
            "{text} is a barcode that a spreadsheet has rounded; its digits are lost. Keep that column as text.",
            text=text,
        )

    @staticmethod
    def put_right(text: str, barcode: str) -> Said:
        """Say what a spoiled barcode was taken for."""
        return say("{text} was taken for {barcode}.", text=text, barcode=barcode)

    @staticmethod
    def check_digit(text: str) -> Said:
        """Say that the check digit does not fit."""
        return say("{text} has a wrong check digit: misread or mistyped; left out.", text=text)

    @staticmethod
    def unknown(text: str) -> Said:
        """Say that there is no such copy."""
        return say("{text} is not in the catalogue; left out.", text=text)

    @staticmethod
    def left_out(shelves: str) -> Said:
        """Say which shelves nobody scanned."""
        return say(
            "Nothing was scanned on {shelves}, where books should stand: left out; write `empty` below the line of "
            "a shelf that is.",
            shelves=shelves,
        )

    @staticmethod
    def one_shelf() -> Said:
        """Say that one shelf cannot tell how shelves differ."""
        return say(
            "One shelf alone cannot tell how shelves differ: its books are taken to be worth half as many from "
            "anywhere."
        )

    @staticmethod
    def few_shelves(n: int) -> Said:
        """Say on how many shelves it was counted."""
        return say_n(
            "Counted on {n} shelf: the intervals are wide because of that.",
            "Counted on {n} shelves: the intervals know that books of one shelf are alike.",
            n,
        )

    @staticmethod
    def not_tagged(n: int) -> Said:
        """Say how many books had no tag."""
        return say_n(
            "{n} scanned book has no tag in the catalogue and could not be heard; it is not counted.",
            "{n} scanned books have no tag in the catalogue and could not be heard; they are not counted.",
            n,
        )

    @staticmethod
    def dubious(n: int) -> Said:
        """Say how many were placed there and not scanned anywhere."""
        return say_n(
            "{n} book was placed on these shelves by the radio and not scanned by hand: one of the two is wrong; "
            "look there once more.",
            "{n} books were placed on these shelves by the radio and not scanned by hand: one of the two is wrong; "
            "look there once more.",
            n,
        )

    @staticmethod
    def moved_since(days: int) -> Said:
        """Say that the scan was long after the run."""
        return say_n(
            "The hand scan was made a day after the run: what readers moved in between counts as our error.",
            "The hand scan was made {n} days after the run: what readers moved in between counts as our error.",
            days,
        )
