"""
Call numbers in shelving order, written from the rules named beside them.

Each list holds one rule; the tests hold ours to all of them, and the benchmark says who else sorts which.
"""

from __future__ import annotations

# Library of Congress, Classification and Shelflisting Manual, G 60 and G 63, and what libraries teach of
# them: letters by the alphabet, class number whole, decimals and Cutters digit by digit, nothing before
# something; dates and ordinals as numbers.
LCC = {
    "class letters": ["D 5", "DA 1", "E 9", "Q 175", "QA 7", "QB 1", "Z 1", "ZA 1"],
    "class number is a whole number": ["QA 7", "QA 76", "QA 101", "QA 760", "QA 1000"],
    "decimals digit by digit": [
        "QA 76",
        "QA 76.15",
        "QA 76.5",
        "QA 76.55",
        "QA 76.6",
        "QA 76.73",
        "QA 76.9",
        "QA 77",
    ],
    "cutters digit by digit": ["QA76 .A1", "QA76 .A101", "QA76 .A11", "QA76 .A2", "QA76 .B12", "QA76 .B2"],
    "nothing before something": ["QA76", "QA76 .A5", "QA76 .A5 B3", "QA76 .A5 B3 1990"],
    "one place after the other": [
        "PS3545 .E6",
        "PS3545 .E6a",
        "PS3545 .E6 v.1",
        "PS3545 .E6 1951",
        "PS3545 .E6 Z5",
        "PS3545 .E61",
    ],
    "work letters": ["HF5549 .A101", "HF5549 .A101m", "HF5549 .A101 B2", "HF5549 .A1012"],
    "years": ["TK5105 .T36 1989", "TK5105 .T36 1996", "TK5105 .T36 1996b", "TK5105 .T36 2003"],
    "ordinals": ["KF 26 .A5 2nd", "KF 26 .A5 4th", "KF 26 .A5 20th", "KF 26 .A5 101st"],
    "years before cutters in the class": [
        "KF 26",
        "KF 26 1990",
        "KF 26 1990 .A34",
        "KF 26 1991",
        "KF 26 .A5",
    ],
    "cutter behind a date": ["KF 26 1990 .I31", "KF 26 1990 .I4"],
    "volumes": [
        "AP2 .C5 v.1",
        "AP2 .C5 v.2",
        "AP2 .C5 v.10",
        "AP2 .C5 v.10 c.2",
        "AP2 .C5 v.10 c.11",
        "AP2 .C5 v.11",
    ],
    "volumes spelt otherwise": ["AP2 .C5 v.1", "AP2 .C5 vol. 2", "AP2 .C5 v3", "AP2 .C5 Volume 10"],
    "words": ["BF 1999", "BF 1999 Aarons", "BF 1999 Zukav", "BF 1999 1985", "BF 1999 .A63"],
    "letters behind a date": [
        "TK1 .A5 1987",
        "TK1 .A5 1987a",
        "TK1 .A5 1987b",
        "TK1 .A5 1987d",
        "TK1 .A5 1988",
    ],
    "longer decimals": [
        "R 24.23 .A5",
        "R 24.230001 .A5",
        "R 24.231 .A5",
        "R 24.24444 .A5",
        "R 24.244445 .A5",
    ],
    "classes of three letters": ["K 5", "KF 5", "KFN 5", "KFN 5225 .Z9", "KJ 1", "KJV 4189 .A2", "KK 1"],
    "no blanks": ["QA76.9.D3C67 1985", "QA76.9.D3C7 1985", "QA76.9.D32A1", "QA76.9.D4"],
    "an edition between cutters": ["A1.2 .A54", "A1.2 .A54 2nd .A51", "A1.2 .A54 4th .A51", "A1.2 .A54 .A5"],
    "years in the class before its cutters": ["PX 101.1 1990", "PX 101.1 1990 .A34", "PX 101.1 .A5"],
    "numbers of issues": ["HQ11 .D54 v.3 no.3", "HQ11 .D54 v.3 no.10", "HQ11 .D54 v.11 no.1"],
    "supplements and indexes": [
        "HQ11 .D54 v.3",
        "HQ11 .D54 v.3 index",
        "HQ11 .D54 v.3 suppl.",
        "HQ11 .D54 v.4",
    ],
    "issues by month": ["AP2 .C5 v.3 Dec. 1995", "AP2 .C5 v.3 Jan. 1996", "AP2 .C5 v.3 Apr. 1996"],
    "copyright dates": ["Z1 .A5 1984", "Z1 .A5 c1985", "Z1 .A5 [1986]", "Z1 .A5 1987 c.2"],
    "double cutters": [
        "QE862 .D5 L22",
        "QE862 .D5 L4571",
        "QE862 .D5 L461",
        "QE862 .D5 M3311",
        "QE862 .D5 M37",
    ],
    "opus numbers are no cutters": ["M 1010 .M9 K.173", "M 1010 .M9 K.173D", "M 1010 .M9 K.504"],
    "cutter without digits": ["M 5 .L", "M 5 .L3", "M 5 .M"],
    "collections behind the plain sequence": ["ZA 4000", "+N 6490", "OVERSIZE N 40", "REF AE 5", "REF QA 76"],
}
# Dewey Decimal Classification, Introduction: numbers file as decimals; author marks: Cutter-Sanborn numbers
# are decimals, too.
DDC = {
    "decimals digit by digit": ["331", "331.1", "331.11", "331.12", "331.2", "332"],
    "leading zeros": ["001.42", "004", "023", "150", "813"],
    "cutters digit by digit": ["813.54 A11", "813.54 A2", "813.54 A21", "813.54 B1"],
    "work letters": ["813.54 S643", "813.54 S643a", "813.54 S643h", "813.54 S6431"],
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
    "congress and number": ["Y 1.1/8:98-52", "Y 1.1/8:102-9", "Y 1.1/8:102-334", "Y 1.1/8:104-1"],
    "volumes": ["C 3.223/10:980/v.1", "C 3.223/10:980/v.2", "C 3.223/10:980/v.10"],
    "letters before numbers": ["L 37.s:Oc 1", "L 37.2:Oc 1", "L 37.2:Oc 1/conversion", "L 37.2:Oc 1/2"],
}
# National Library of Medicine Classification and its Shelflisting Procedures.
NLM = {
    "schedules": ["QS 4", "QT 35", "QZ 200", "W 1", "W 84.1", "WA 11", "WB 115", "WZ 100"],
    "cutters and years": [
        "WB 115 H322 1998",
        "WB 115 H322 2010",
        "WB 115 H3225",
        "WB 115 H33 2005",
        "WB 115 K1",
    ],
    "decimals": ["WB 102", "WB 102.5 B62 2018", "WB 102.55", "WB 103"],
    "serials": ["W1 AM123", "W1 AM123 v.2", "W1 AM123 v.10", "W1 AM13", "W1 AN1", "W1 JO456N"],
    "work letters of serials": ["W1 AM123", "W1 AM123A", "W1 AM123B", "W1 AM1231"],
    "geographic numbers": ["WA 11 AA1", "WA 11 DC2", "WA 11 GA1 E53 2005", "WA 11 GI8", "WA 11 JA3"],
    "work marks": ["QV 772 B111a 1990", "QV 772 B111b 1985", "QV 772 B112"],
    "beside LCC": ["QA 76.9 .D3", "QS 1", "R 1 .A5", "W 1", "WZ 1", "Z 675 .M4"],
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
    "time behind the class": ["K825.6/3", "K825.6=7/1", "K825.6=72/3", "K825.61/1"],
}
LISTS = {"lcc": LCC, "ddc": DDC, "sudoc": SUDOC, "nlm": NLM, "clc": CLC}
