"""
Call numbers in shelving order, written from the rules named beside them.

Each list holds one rule; the tests hold ours to all of them, and the benchmark says who else sorts which.
"""

from __future__ import annotations

from benchmarks.call_number_lists_lcc import LCC, NLM

# Dewey Decimal Classification, Introduction: numbers file as decimals; author marks: Cutter-Sanborn numbers
# are decimals, too.
DDC = {
    "decimals digit by digit": ["331", "331.1", "331.11", "331.12", "331.2", "332"],
    "leading zeros": ["001.42", "004", "023", "150", "813"],
    "cutters digit by digit": ["813.54 A11", "813.54 A2", "813.54 A21", "813.54 B1"],
    "work letters": ["813.54 S643", "813.54 S643a", "813.54 S643h", "813.54 S6431"],
    # Art Institute of Chicago, Ryerson and Burnham Libraries: class, letters, number, the letters after it.
    "one line after the other": [
        "759.4 ZB77",
        "759.4 ZB77 v.2",
        "759.4 ZB77 1990",
        "759.4 ZB77 A3",
        "759.4 ZB77c",
        "759.4 ZB77c 1990",
        "759.4 ZB77ca",
        "759.4 ZB78ca",
    ],
    "author letters": ["813.54 ROW", "813.54 ROWE", "813.54 ROY", "813.54 SAL", "813.54 TOM", "813.54 VAN"],
    "nothing before something": ["813.54", "813.54 ROW", "813.54 ROW v.1", "813.54 ROW 1999"],
    "volumes and copies": [
        "720 FLE v.1",
        "720 FLE v.2",
        "720 FLE v.2 c.2",
        "720 FLE v.2 c.10",
        "720 FLE v.10",
    ],
    "years": ["338 WOR 1999", "338 WOR 2008", "338 WOR 2019"],
    "editions": ["616 HAR 2nd ed.", "616 HAR 9th ed.", "616 HAR 20th ed."],
    "cutters of several letters": ["328.01 H96e", "328.01 He26k", "328.01 Hi12k"],
    "digits behind work letters": ["973 C73a", "973 C73a2", "973 C73ar", "973 C73ar2", "973 C735"],
    "serials": ["051 YO", "051 YO v.16", "051 YO2h", "051 YOC v.1"],
    "later series behind the first": [
        "051 YO v.1",
        "051 YO v.99",
        "051 YO 1999",
        "051 YO ser.2 v.1",
        "051 YO 3d ser. v.1",
        "051 YO N.F. Bd.1",
        "051 YO n.s. v.2",
        "051 YOC v.1",
    ],
    "volumes in other languages": [
        "053 ZE Heft 2",
        "053 ZE Heft 10",
        "053 ZE Bd.2",
        "053 ZE Bd. IX",
        "053 ZE t.10",
    ],
    # An author's mark of letters is one, whatever it means elsewhere.
    "authors called Tom, Band, Mar and Ed": [
        "813.54 ABE 1990",
        "813.54 BAN 2001",
        "813.54 BAND 1999",
        "813.54 BANE 1980",
        "813.54 EDD 1999",
        "813.54 MAR 1990",
        "813.54 SER 2nd ed.",
        "813.54 TOM",
        "813.54 TOM v.2",
        "813.54 TOM 1999",
        "813.54 TON 1990",
    ],
    "apostrophes": ["813.54 OAK", "813.54 O'BR", "813.54 OCA"],
    # LM_NET survey of 2007 on biographies: 92 stands in the 920s where libraries use it.
    "biographies at 92": ["092.5", "919.9", "92 LIN", "92 WAS", "920 LIN", "921 ABE", "929"],
    # Shelving and Filing (NAVEDTRA 14229): fiction by kind, then by the letters of the author.
    "classes that are a kind of fiction": ["813 ROW", "F ROW", "MYS CHR", "SF ASI", "SF LEG", "SS POE"],
    "translations": ["815 Q89", "815 Q89:R", "815 Q89:SP", "815 Q89s"],
    "the author's number in the class": ["846R532 Oc", "846R532 Og1962", "846R56 Oc"],
    "all there is": [
        "823.914 R884h",
        "823.914 R884h v.2",
        "823.914 R884h 1997",
        "823.914 R884h 1997 v.2 c.3",
    ],
    "marks of segmentation": ["338", "338.0'9", "338'.09/2", "338.1"],
    "collections and classes that are words": [
        "999",
        "B LIN",
        "DVD 800.1",
        "FIC ROW",
        "FIC ROW v.2",
        "J 398.2",
        "REF 030",
    ],
}
# Superintendent of Documents: GPO's guidance for depositories (whole numbers; colon, dash, slash; nothing, years,
# letters, numbers; years of three digits before 2000).
SUDOC = {
    "whole numbers": ["A 1.2:", "A 1.11:", "A 2.1:", "A 11.1:", "AA 1.1:", "C 1.1:"],
    "stem before book number": ["T 22.19:M 54", "T 22.19:M 54/990", "T 22.19/2:P 94", "T 22.19/2:P 94/2"],
    "related series": ["HE 20.3612/3:1", "HE 20.3612/3-2:1", "HE 20.3612/4:1", "HE 20.3612/11:1"],
    "years, letters, numbers": [
        "A 1.35:993",
        "A 1.35:2004",
        "A 1.35:R 42",
        "A 1.35:R 42/995",
        "A 1.35:R 42/2",
        "A 1.35:321",
    ],
    "years before and since 2000": [
        "J 29.2:D 84/982",
        "J 29.2:D 84/999",
        "J 29.2:D 84/2003",
        "J 29.2:D 84/2",
    ],
    "dash before slash": ["GS 1.2:SO 2", "GS 1.2:SO 2-2", "GS 1.2:SO 2/2"],
    "committees": [
        "Y 4.Ag 8/1:C 68",
        "Y 4.Ec 7:C 73/7",
        "Y 4.Ec 7:C 73/10",
        "Y 4.Ec 7/2:A 1",
        "Y 4.F 76/2:Af 8/12",
        "Y 4.F 76/2:Af 8/12/rev.",
    ],
    "hearings are of no year": [
        "Y 4.F 76/2:S.HRG.98-2",
        "Y 4.F 76/2:S.HRG.115-747",
        "Y 4.F 76/2:S.HRG.115-830",
        "Y 4.F 76/2:S.HRG.115-2003",
        "Y 4.F 76/2:S.HRG.116-105",
    ],
    "years of four digits behind a slash": [
        "I 29.21:M 75/2",
        "I 29.21:M 75/2/1996",
        "I 29.21:M 75/2/998",
        "I 29.21:M 75/2/2019",
        "I 29.21:M 75/2/10",
    ],
    "congress and number": ["Y 1.1/8:98-52", "Y 1.1/8:102-9", "Y 1.1/8:102-334", "Y 1.1/8:104-1"],
    "volumes": ["C 3.223/10:980/v.1", "C 3.223/10:980/v.2", "C 3.223/10:980/v.10"],
    # GPO, Depository Invoice, October 1928: Farmers' Bulletins are [A 1.9 : no.].
    "numbers of a series are of no year": [
        "A 1.9:1",
        "A 1.9:799",
        "A 1.9:985",
        "A 1.9:985/928",
        "A 1.9:985/2",
        "A 1.9:986",
        "A 1.9:1194",
        "A 1.9:1999",
        "A 1.9:2010",
        "A 1.9:2290",
    ],
    "numbers of manuals": [
        "D 101.11:5-6115-323-14",
        "D 101.11:9-2320-209-20",
        "D 101.11:9-2330-363-14&P",
        "D 101.11:10-1",
        "D 101.11:905-1",
    ],
    # University of Arkansas at Little Rock, Guide to Interpreting SuDoc Classification Numbers.
    "dates before numbers behind a slash": [
        "C 3.6:PR 8",
        "C 3.6:PR 8/997",
        "C 3.6:PR 8/2",
        "C 3.6:PR 8/2/997",
    ],
    "committees and their hearings": [
        "Y 4.C 73/8:M 55/2",
        "Y 4.C 73/8:S. Hrg. 105-65",
        "Y 4.C 73/8:97/16",
        "Y 4.J 89/2:S.HRG.108-985",
        "Y 4.J 89/2:S.HRG.108-1001",
        "Y 4.J 89/2-10:984",
        "Y 4.J 89/2-11:979",
    ],
    # GPO, Superintendent of Documents Classification Guidelines, Additions to Book Numbers.
    "revisions of one year": [
        "I 53.2:D 41",
        "I 53.2:D 41/989",
        "I 53.2:D 41/2015",
        "I 53.2:D 41/2015-2",
        "I 53.2:D 41/2015-10",
        "I 53.2:D 41/2016",
    ],
    # Northwestern University Library, nothing before something: a Cutter number with a letter is another one.
    "letters behind a Cutter number": [
        "Y 4.G 74/7:N 21",
        "Y 4.G 74/7:N 21-2",
        "Y 4.G 74/7:N 21/5",
        "Y 4.G 74/7:N 21a",
    ],
    "letters in the stem": ["IC 1 acci.3:130", "IC 1 acci.5:2", "IC 1 wat.1:5", "IC 1.1:962", "IC 2.1:1"],
    "letters before numbers": ["L 37.s:Oc 1", "L 37.2:Oc 1", "L 37.2:Oc 1/conversion", "L 37.2:Oc 1/2"],
}
# 《中国图书馆分类法》第五版使用手册: sign by sign; marks in its order; book numbers whole.
CLC = {
    "sign by sign": ["TP31", "TP311", "TP311.1", "TP312", "TP32", "TP391", "TP391.4", "TP391.45", "TP4"],
    "letters of the class": ["T-6", "T1", "TB1", "TP1", "TV1", "U1", "X1"],
    "auxiliary marks": [
        "R711",
        "R711-62",
        "R711(711)",
        "R711(711)=535",
        'R711"3"',
        "R711=6",
        "R711<326>",
        "R711:R83",
        "R711+R173",
        "R711.1",
    ],
    "general before special": ["B-49", "B-61", "B0", "B0-0", "B0-53", "B1", "B2"],
    "classes joined": [
        "H319:A112",
        "H319:T311",
        "H319:TB312",
        "H319:TV312",
        "H319:U312",
        "H319.4-43",
        "H319.4:I234",
    ],
    "languages of programs": ["TP312", "TP312AL", "TP312BA", "TP312C", "TP312-43", "TP312.8"],
    "种次号 whole": ["I247.5/2", "I247.5/11", "I247.5/45", "I247.5/1234", "I247.57/1"],
    "著者号 whole": ["I247.57/A1", "I247.57/L99", "I247.57/L123", "I247.57/N2338", "I247.57/Z1"],
    "works of one author": ["K827/Z763", "K827/Z763A", "K827/Z763Y", "K827/Z763AA", "K827/Z764"],
    "volumes, editions, further works": [
        "O13/S623",
        "O13/S623(2)",
        "O13/S623(10)",
        "O13/S623=2",
        "O13/S623-2",
        "O13/S623-2(1)",
    ],
    "volumes with a colon": ["D0-0/12", "D0-0/12:1", "D0-0/12:2", "D0-0/12:10", "D0-0/13"],
    "Chinese parts": ["I242/5:上", "I242/5:中", "I242/5:下"],
    "Chinese numerals": ["K20/5 第二卷", "K20/5 第九卷", "K20/5 第十卷", "K20/5 第十二卷"],
    "larger Chinese numerals": [
        "K20/5 第十九卷",
        "K20/5 第廿一卷",
        "K20/5 第三十卷",
        "K20/5 第卅二卷",
        "K20/5 第九十九卷",
        "K20/5 第一百卷",
        "K20/5 第一百零五卷",
        "K20/5 第一百二十卷",
        "K20/5 第二百卷",
    ],
    "figures of accounts": ["Z22/8 壹", "Z22/8 贰", "Z22/8 叁", "Z22/8 拾"],
    # The heavenly stems count as 1 to 10.
    "parts by the heavenly stems": ["K29/1 甲编", "K29/1 乙编", "K29/1 丙编", "K29/1 丁编", "K29/1 癸编"],
    "first parts": ["K29/1 卷首", "K29/1 卷一", "K29/1 卷二", "K29/1 卷末"],
    "later series behind the first": ["Z62/8 v.1", "Z62/8 v.99", "Z62/8 n.s. v.1", "Z62/9"],
    "time behind the class": ["K825.6/3", "K825.6=7/1", "K825.6=72/3", "K825.61/1"],
}
LISTS = {"lcc": LCC, "ddc": DDC, "sudoc": SUDOC, "nlm": NLM, "clc": CLC}
