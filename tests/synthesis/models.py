"""Stages that have a model of their own, written anew: check.py compares the two on random words."""
import ctypes
import random


def sip_hash_1_3(words, key) -> int:
    """SipHash from its paper, one round a word and three at the end, without the block that holds the length."""
    mask = 2**64 - 1

    def rotate(x, by):
        return (x << by | x >> 64 - by) & mask

    v = [key[i % 2] ^ int.from_bytes(text, "big")
         for i, text in enumerate((b"somepseu", b"dorandom", b"lygenera", b"tedbytes"))]

    def mix():
        for a, b, by, c in ((0, 1, 13, 0), (2, 3, 16, None), (0, 3, 21, None), (2, 1, 17, 2)):
            v[a] = (v[a] + v[b]) & mask
            v[b] = rotate(v[b], by) ^ v[a]
            if c is not None:
                v[c] = rotate(v[c], 32)

    for word in words:
        v[3] ^= word
        mix()
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        mix()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def check_hash(library) -> list[str]:
    top = library.stage_hash_key
    top.restype = ctypes.c_uint64
    top.argtypes = [ctypes.c_uint64] * 7
    draw = random.Random(1)
    for _ in range(1000):
        words = [draw.getrandbits(64) for _ in range(7)]
        if top(*words) != sip_hash_1_3(words[:5], words[5:]):
            return [f"hash of {words} is not SipHash-1-3's"]
    return []


def digest_words(session, wide) -> list[int]:
    """What is replicated of a session without marks, by docs/protocol-sync.md: its words 0 to 12 and its long rewrite."""
    state, flags = session[6] >> 32 & 0xFF, session[6] >> 40 & 0x8F
    live, tcp = state != 14, 1 <= state <= 9
    flags = flags if live else flags & 0x01
    source, destination, is_wide = flags & 0x02, flags & 0x04, flags & 0x08
    profile = (session[6] >> 48 & 0xFF) << 8 | session[6] >> 56 if tcp else 0
    ports = (session[7] >> 32 & 0xFFFF if source else 0) << 32 | (session[7] >> 48 if destination else 0)
    narrow = [session[8] % 2**32 if source and not is_wide else 0, session[8] >> 32 if destination and not is_wide else 0]
    swapped = [(w % 2**32) << 32 | w >> 32 if tcp else 0 for w in session[9:13]]
    return [*session[:6], (session[7] % 2**16 if live else 0) << 32 | state << 24 | flags << 16 | profile, ports,
            narrow[0] << 32 | narrow[1], *(w if source and is_wide else 0 for w in wide[:2]),
            *(w if destination and is_wide else 0 for w in wide[2:]), *swapped]


def check_digest(library) -> list[str]:
    top = library.stage_digest
    top.restype = ctypes.c_uint64
    top.argtypes = [ctypes.c_uint64] * 17
    draw = random.Random(2)
    for _ in range(1000):
        words = [draw.getrandbits(64) for _ in range(17)]
        words[6] = words[6] & ~(0xFF << 32) | draw.randrange(1, 15) << 32
        if top(*words) != sip_hash_1_3(digest_words(words[:13], words[13:]), (0x243F6A8885A308D3, 0x13198A2E03707344)):
            return [f"digest of {words} is not SipHash-1-3's of what is replicated"]
    return []


# Stages that have a model of their own here.
MODELS = {"hash_key": check_hash, "digest": check_digest}
