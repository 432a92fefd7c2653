"""What the product page shows: the book, and what details and reviews say of it."""

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from bookinfo.ratings import MOST_STARS

PRODUCT_ID: Final = 0
PRODUCT: Final = {
    "id": PRODUCT_ID,
    "title": "The Comedy of Errors",
    "descriptionHtml": (
        "One of <b>William Shakespeare's</b> first plays, and his shortest: two masters and two "
        "servants, each with a twin of the same name in the same town, and a day of blows, "
        "kisses, debts and arrests that all reach the wrong one."
    ),
}
#: The facts of a book in the order of the page, by their names in the answer of details.
FACTS: Final = {
    "type": "Type",
    "pages": "Pages",
    "publisher": "Publisher",
    "language": "Language",
    "author": "Author",
    "year": "Year",
    "ISBN-10": "ISBN-10",
    "ISBN-13": "ISBN-13",
}
COLORS: Final = ("black", "red")


class Fact(NamedTuple):
    """A line of the book's details."""

    label: str
    value: str


def read_facts(answer: object) -> tuple[Fact, ...]:
    """The facts in an answer of details; raises ValueError if it is none."""
    match answer:
        case {"id": int(), **facts}:
            return tuple(
                Fact(label, str(facts[name])) for name, label in FACTS.items() if name in facts
            )
    raise ValueError("not an answer of details")


@dataclass(frozen=True)
class Stars:
    """A rating: 0 to 5 stars of a colour."""

    number: int
    color: str

    @classmethod
    def from_json(cls, rating: object) -> Self:
        """Read a rating; raises ValueError if it is none."""
        match rating:
            case {"stars": int(number), "color": str(color)} if (
                0 <= number <= MOST_STARS and color in COLORS
            ):
                return cls(number, color)
        raise ValueError("not a rating")

    @property
    def words(self) -> str:
        """For who cannot see them."""
        return f"{self.number} of {MOST_STARS} stars, {self.color}"

    @property
    def glyphs(self) -> str:
        """Full stars, then empty ones."""
        return "★" * self.number + "☆" * (MOST_STARS - self.number)


@dataclass(frozen=True)
class Review:
    """What one reader says, with stars, without, or with the reason why there are none."""

    reviewer: str
    text: str
    stars: Stars | None
    problem: str | None

    @classmethod
    def from_json(cls, review: object) -> Self:
        """Read a review; raises ValueError if it is none."""
        match review:
            case {"reviewer": str(reviewer), "text": str(text), "rating": {"error": str(problem)}}:
                return cls(reviewer, text, None, problem)
            case {"reviewer": str(reviewer), "text": str(text), "rating": rating}:
                return cls(reviewer, text, Stars.from_json(rating), None)
            case {"reviewer": str(reviewer), "text": str(text)}:
                return cls(reviewer, text, None, None)
        raise ValueError("not a review")


@dataclass(frozen=True)
class Reviews:
    """All reviews of a book, and the pod that they come from."""

    pod: str
    cluster: str | None
    reviews: tuple[Review, ...]

    @classmethod
    def from_json(cls, answer: object) -> Self:
        """Read an answer of reviews; raises ValueError if it is none."""
        match answer:
            case {"podname": str(pod), "clustername": None | str() as cluster, "reviews": list(of)}:
                return cls(pod, cluster, tuple(map(Review.from_json, of)))
        raise ValueError("not an answer of reviews")
