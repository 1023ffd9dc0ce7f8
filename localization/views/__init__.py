"""Looking at what localization found: pictures of tags, shelves and runs, as SVG files and as one page.

``make_album`` draws everything that is known; each picture can be drawn by itself as well.
"""

from localization.views.album import Album, Picture, Seen, check_names, make_album
from localization.views.honesty import (
    calibration_picture,
    errors_picture,
    order_outcomes,
    order_picture,
    shares_inside,
    sigma_picture,
)
from localization.views.one_tag import TagLooker
from localization.views.shelf_picture import ShelfView, shelf_picture, shelf_view
from localization.views.tag_picture import tag_picture
from localization.views.tag_view import TagView, ViewError

__all__ = [
    "Album",
    "Picture",
    "Seen",
    "ShelfView",
    "TagLooker",
    "TagView",
    "ViewError",
    "calibration_picture",
    "check_names",
    "errors_picture",
    "make_album",
    "order_outcomes",
    "order_picture",
    "shares_inside",
    "shelf_picture",
    "shelf_view",
    "sigma_picture",
    "tag_picture",
]
