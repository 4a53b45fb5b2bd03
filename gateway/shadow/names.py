"""Which names stand over a secret, in several languages and however they are spelt. Pure.

Too much is taken rather than too little, but for what only counts or describes (`tokenCount`, `session_length`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final
from unicodedata import category, combining, normalize
from urllib.parse import unquote_plus

# a name is secret when one of its words is one of these
_WORDS: Final = re.compile(
    r"(?:pass(?:word|wd|phrase|code|key)?|pwd|pw|psw|pswd|psk|secret|token|jwt|o?auth|authentication|authorization|bearer|cookie"
    r"|session|sid|credential|sig(?:nature)?|hmac|pin|t?otp|cvv|cvc|[cx]srf|nonce|assertion|apikey|mnemonic|dpop"
    r"|(?:admin|database|db|ftp|mail|my|pg|root|smtp|ssh|user|wifi)pass"
    r"|adgangskode|geheim|geslo|haslo|heslo|jelszo|kennwort|kodeord|losenord|lozinka|parola|passord|passwort|salasana"
    r"|senha|sifre|wachtwoord)s?"
)
# or when it is written together, in one case, with one of these in it
_WITHIN: Final = re.compile(
    r"password|passwort|passord|passwd|passphrase|secret(?!ar(?:y|ies|iat))|token(?!i[sz])|apikey|accesskey|privatekey"
    r"|credential|authorization|sessionid|(?<!s)sessid|auth(?:code|header|key|data)|otpcode|onetimecode"
    r"|encryptioncustomerkey|contrasen[aiy]|kennwort|motdepasse|wachtwoord|matkhau"
)
# or when it is a key or code of a kind that opens something, unlike a key order or a lot code
_OPENS: Final = re.compile(
    r"(?:api|access|private|signing|encryption|service|anon|master|client|account|ssh|activation|admin|app|application"
    r"|consumer|dev|functions|license|role|shared|subscription|algolia|aws|azure|firebase|mailgun|openai|sendgrid|stripe|supabase"
    r"|twilio) keys?"
    r"|(?:verification|reset|recovery|backup|confirmation|activation|security|login|mfa|sms|invite|magic|access|fa"
    r"|factor|invitation|time|unlock) codes?"
    r"|code verifier|private pem|connection strings?|magic links?|saml response|security answers?"
    r"|(?:recovery|seed) (?:phrase|words)"
)
# unless it is a figure or a word about one: its last word, or the first of some tokens
_ABOUT: Final = re.compile(
    r".* (?:alg|algorithm|audience|counts?|description|duration|enabled|expiry|format|issuer|kind|label|len|length"
    r"|lifetime|limits?|methods?|names?|policy|providers?|required|scopes?|size|status|strength|title|ttl|types?|usage"
    r"|used|version|(?:changed|created|expire[ds]?|issued|set|updated|used) (?:at|in|on))"
    r"|(?:.* )?(?:average|avg|cached|completion|input|max|min|output|prompt|reasoning|remaining|total) tokens"
)
_IN_QUERIES: Final = frozenset({"code", "invite", "key", "ticket", "samlresponse"})  # OAuth, Google, CAS, SAML
_ALONE: Final = frozenset({"clave"})  # with another word it is seldom one (`clave_producto`)
# a word in a path behind which a random text is what a mail has sent somebody
_MAILED: Final = re.compile(r"reset|verify|verification|confirm(?:ation)?|activat(?:e|ion)|invit(?:es?|ations?)|magic")
_LONGEST: Final = 128  # characters of a name that is remembered
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NO_LETTER: Final = re.compile(r"[\W_]+")
_UNDECOMPOSED: Final = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "ı": "i", "đ": "d", "Đ": "D", "ß": "ss"})


def unescaped(text: str) -> str:
    """A text without its percent-encoding, however many times it was applied, within reason."""
    for _ in range(3):
        plain = unquote_plus(text)
        if plain == text:
            break
        text = plain
    return text


def folded(name: str) -> str:
    """A name without marks on its letters, wide forms and what cannot be seen."""
    if name.isascii():
        return name
    plain = normalize("NFKD", name.translate(_UNDECOMPOSED))
    return "".join(each for each in plain if not combining(each) and category(each) != "Cf")


def is_secret(name: str) -> bool:
    """Whether a field, header or parameter of this name holds a secret, whatever its spelling and escaping."""
    return _is_known_secret(name) if len(name) <= _LONGEST else _is_secret(name)


def _is_secret(name: str) -> bool:
    plain = folded(unescaped(name))
    words = [word.lower() for word in _WORD.findall(plain)]
    return (
        any(map(_WORDS.fullmatch, words))
        or any(_OPENS.fullmatch(" ".join(two)) for two in pairwise(words))
        or _WITHIN.search("".join(words)) is not None
        or words in [[one] for one in _ALONE]
        or (not plain.isascii() and any(word in loose(name) for word in _FOREIGN))
    ) and _ABOUT.fullmatch(" ".join(words)) is None


_is_known_secret: Final = lru_cache(maxsize=4_096)(_is_secret)  # a document names the same fields again and again


def is_secret_in_query(name: str) -> bool:
    """As `is_secret`, where `code` and `key` by themselves are credentials."""
    return is_secret(name) or unescaped(name).lower().rpartition("/")[2] in _IN_QUERIES


def is_mailed(word: str) -> bool:
    """Whether a random text behind this word in a path is a secret: what opens `/reset/8fQ3...` came by mail."""
    return is_secret(word) or _MAILED.fullmatch(word.lower()) is not None


@lru_cache(maxsize=4_096)
def loose(name: str) -> str:
    """What `customer_name`, `customerName` and `Customer-Name` have in common."""
    return _NO_LETTER.sub("", folded(unescaped(name[:_LONGEST]))).casefold()


# what has no Latin letters, as `loose` leaves it
_FOREIGN: Final = tuple(
    loose(word)
    for words in (
        "пароль парола κωδικός סיסמה รหัสผ่าน كلمة_المرور كلمة_السر",
        "密码 密碼 口令 暗証番号 パスワード 비밀번호 암호",
    )
    for word in words.split()
)
