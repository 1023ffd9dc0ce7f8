"""Names of regulatory regions: LLRP's standards, countries where it knows none, and Impinj's finer list."""

from __future__ import annotations

COUNTRY_CHINA = 156

REGIONS = {
    1: "FCC",
    2: "ETSI",
    3: "ETSI 300 220",
    4: "AU 1 W",
    5: "AU 4 W",
    6: "JP",
    7: "HK",
    8: "TW",
    9: "KR",
}
"""CommunicationsStandard to a short name; 0 is unspecified, which readers in China (country 156) use."""

COUNTRIES = {
    36: "AU",
    76: "BR",
    124: "CA",
    COUNTRY_CHINA: "CN",
    158: "TW",
    344: "HK",
    356: "IN",
    360: "ID",
    376: "IL",
    392: "JP",
    410: "KR",
    458: "MY",
    484: "MX",
    554: "NZ",
    608: "PH",
    643: "RU",
    682: "SA",
    702: "SG",
    704: "VN",
    710: "ZA",
    764: "TH",
    784: "AE",
    858: "UY",
}
"""ISO 3166-1 numbers to letters, of countries with UHF rules of their own and no CommunicationsStandard."""

IMPINJ_REGIONS = {
    0: "FCC",
    1: "ETSI 300 220",
    2: "ETSI",
    3: "HK",
    4: "TW",
    5: "JP",
    6: "JP",
    7: "ETSI",
    8: "KR",
    9: "MY",
    10: "CN",
    11: "JP",
    12: "ZA",
    13: "BR",
    14: "TH",
    15: "SG",
    16: "AU",
    17: "IN",
    18: "UY",
    19: "VN",
    20: "IL",
    21: "PH",
    22: "CA",
    23: "ID",
    24: "NZ",
    25: "JP",
    26: "Latin America",
}
"""ImpinjSubRegulatoryRegion to the same names."""

SAME = {"EU": "ETSI", "US": "FCC", "NA": "FCC", "CHINA": "CN"}
"""What people call a region that has another name here."""


def region_name(standard: int, country: int) -> str:
    """Return the short name of RegulatoryCapabilities' CommunicationsStandard and CountryCode."""
    return REGIONS.get(standard) or COUNTRIES.get(country) or f"country {country}"
