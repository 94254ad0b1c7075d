"""Invented names in many scripts, made of syllables, so that they are nobody's.

Lists of real names, such as Faker's (2 MB, of 16 MB unpacked), hold what real people are called:
an invented Alice would stand where a real one stood. What is made here looks like a name of the
same script, and which of them are taken by real people is looked up by whoever asks.
"""

import unicodedata

GIVEN, FAMILY = 0, 1
Syllables = tuple[tuple[str, ...], ...]
"""What a name begins with, goes on with, and ends with."""


def syllables(*rows: str) -> Syllables:
    return tuple(tuple(row.split()) for row in rows)


LATIN = "LATIN"
NAMES: dict[str, tuple[Syllables, Syllables]] = {
    LATIN: (
        syllables(
            "Bel Cor Dav Elv Fen Gal Hul Ilm Jov Kel Lur Mev Nol Orv Pel Quil Rov Sul Tav Ulv Vel "
            "Wex Yov Zel Bru Cly Dre Fro Gwe Kro",
            "a e i o u ae ia io ea y",
            "bra dis fen gor hal kin lan mir nor pen rak sil tor vek wyn zan della dric ssa ven",
        ),
        syllables(
            "Ald Bor Cald Dorn Ell Farn Gost Hest Ild Jor Kast Lind Morn Nest Ost Pald Rusk Stav "
            "Thal Ulm Varn Wist Yarn Zand Brok Crev Drum Flax Grel Skov",
            "a e i o u er in or el an",
            "berg dal feld gard holm kamp lund mark nes quist rud stad thor vik wold zen ström "
            "ley ner sen",
        ),
    ),
    "CYRILLIC": (
        syllables(
            "Бел Вер Гал Дар Ел Жив Зор Иль Лю Мил Нед Ор Пав Рад Сев Тав Ул Фен Чес Юл Яр",
            "а е и о у я",
            "вана дан зар лин мир нар рена сла тин фей",
        ),
        syllables(
            "Бор Вест Гор Дуб Жар Зим Кед Луг Мор Нев Озер Пол Рощ Сос Тал Ур Холм Чар Шум Яс",
            "а е и о",
            "венко ницкий рский тенко шевич лёв вцев дько рняк",
        ),
    ),
    "GREEK": (
        syllables(
            "Αλβ Βελ Γαλ Δορ Ελμ Ζην Θαλ Καλ Λυρ Μελ Νερ Ορφ Παλ Ρον Σελ Ταλ Φαν Χλο",
            "α ε ι ο",
            "δης λια μων νη ρας σιος τη φιλος",
        ),
        syllables(
            "Αρδ Βελ Γορ Δελ Ζερ Θεο Καρ Λαμ Μαρ Νικ Παρ Ροδ Σταυ Τρι Φωτ Χαρ",
            "α ε ι ο",
            "δάκης λίδης νάκος πουλος ράκης τζής φίδης",
        ),
    ),
    "ARABIC": (
        syllables(
            "با تا جا دا را زا سا شا طا عا فا كا لا ما نا وا", "ري لي مي ني هي", "د ر ن م ل س"
        ),
        syllables("ال", "بر تل جب دير رمل سهل عين فلج كرم مرج نهر وار", "اوي اني اسي اري"),
    ),
    "HEBREW": (
        syllables(
            "אל בר גל דן הד זו חן טל יע כר לב מו נב סל עד פז צו רו שח תמ", "י ו א", "ן ל ר ם ת ס"
        ),
        syllables(
            "אר בן גב דר הר זר חר טב כר מש נח סד פל צור רז שד", "א י ו", "בני דמן לאי מון רון שטם"
        ),
    ),
    "DEVANAGARI": (
        syllables("आर बेल चार दीप गौर जय कम ललि मनो नेह परि रोह सुम तनु वीर", "ा ि ी े", "ण न श त व ल"),
        syllables("अग्र बंस चौर देश गोख जोग कुल माथ नाग पाट राज सोल ठाक वर्म", "ा े ी", "कर वाल री ले नी"),
    ),
    "THAI": (
        syllables("กาน จัน ชล ดาว ธาร นภ บุษ พิม มณ รวี ลดา วิ ศศิ สุ อร", "ิ า ี", "ดา นี ยา รัต วดี"),
        syllables("กิต จิร ชัย ธน นคร ปรี พง มงค รัต วง ศรี สม อมร", "ิ า", "กุล ชัย พงศ์ วงศ์ ศิลป์"),
    ),
    "CJK": (
        syllables(
            "沐 芷 屿 潇 霁 珩 祺 昱 筠 岚 汐 穆 栩 澈 翊",
            "禾 川 野 舟 岳 晴 言 衡 溪 遥 枫 柠 朔 苒",
        ),
        syllables("鄢 郗 逄 庹 蔺 佴 郏 邝 漆 亓 仉 毌 揭 壤 乜 佟 苌 銮"),
    ),
    "HIRAGANA": (
        syllables("あ か さ た な は ま や ら", "い き し ち に ひ み り", "の ほ も ね か ら"),
        syllables(
            "あお かわ さわ たけ なみ はら まつ やま", "お き し た の み", "だ べ むら ざき"
        ),
    ),
    "KATAKANA": (
        syllables("ア カ サ タ ナ ハ マ ラ", "イ キ シ リ ル レ", "ノ ト ナ ン"),
        syllables("アオ カワ サワ タケ ナミ", "オ キ タ ノ ミ", "ダ ムラ ザキ"),
    ),
    "HANGUL": (
        syllables("가 나 다 라 마 바 새 아 초 하 봄 솔 별 빛", "늘 람 온 울 찬 결 솜 예 별 샘"),
        syllables("감 갈 국 궉 내 단 도 돈 뇌 묵 빙 섭 옹 운"),
    ),
}
NO_BLANKS = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI"})
"""Scripts of which no blank tells where a name begins and ends."""
HINTS = (
    "Name of the first ship",
    "Colour of the garden gate",
    "Number of the old house",
    "A river with a bridge",
    "What the parrot said",
    "The tree behind the school",
)
CONSONANTS, VOWELS = "bdfgklmnprstv", "aeiou"


def script_of(text: str) -> str:
    """The script of the first letter for which there are names here; else Latin."""
    for char in text:
        script = unicodedata.name(char, "").partition(" ")[0]
        if script in NAMES and char.isalpha():
            return script
    return LATIN


def has_blanks(char: str) -> bool:
    """Whether words of this character's script stand apart."""
    return unicodedata.name(char, "").partition(" ")[0] not in NO_BLANKS


def name(script: str, kind: int, number: int) -> str:
    """The name of a script, GIVEN or FAMILY, that a large number stands for."""
    made = ""
    for choices in NAMES[script][kind]:
        number, index = divmod(number, len(choices))
        made += choices[index]
    return made


def ascii_name(number: int, length: int = 3) -> str:
    """A word of a few syllables that may stand in an address."""
    made = ""
    for _ in range(length):
        number, consonant = divmod(number, len(CONSONANTS))
        number, vowel = divmod(number, len(VOWELS))
        made += CONSONANTS[consonant] + VOWELS[vowel]
    return made
