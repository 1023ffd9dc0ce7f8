"""How a site's tags are read: settings, and a night in which the robot read AFIs."""

import pytest

from cloud_ingest.errors import ServeError
from cloud_ingest.sites import SiteSettings
from cloud_ingest.tag_settings import tag_rules


def test_rules_of_a_site_are_read():
    rules = tag_rules({"owners": ["DE-705"], "security_by": "afi", "afi_on": ["21"], "afi_off": ["9D"]})
    assert rules.owners == ("DE-705",)
    assert (rules.policy.by, rules.policy.secured, rules.policy.lent) == ("afi", {0x21}, {0x9D})
    usual = tag_rules({}).policy
    assert (usual.by, usual.secured, usual.lent) == ("either", {0x07}, {0xC2})


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"afi": ["07"]}, "no such setting as 'afi'; there are owners, security_by, afi_on, afi_off"),
        ({"owners": "DE-705"}, 'owners: write a list, such as ["07"]'),
        ({"afi_on": [7]}, 'afi_on: write texts, such as ["07"]'),
        ({"afi_on": ["7G"]}, "AFI 7G: give it as 2 hexadecimal digits"),
        ({"afi_on": ["07"], "afi_off": ["07"]}, "cannot mean both"),
        ({"security_by": "gate"}, "'gate': is none of either, afi, eas"),
    ],
)
def test_wrong_rules_are_refused_in_one_line(tags, says):
    with pytest.raises(ServeError) as error:
        SiteSettings("north", tags=tags)
    assert says in str(error.value) and "site north" in str(error.value) and "\n" not in str(error.value)
