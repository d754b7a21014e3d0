"""What KIE.ai's refusals mean. Its codes are coarse and its texts come from many hands, in several languages.

A meaning decides what a person has to change, and whether the same order may be tried again; so a text counts as a
content policy only when it speaks of content, not of a retry policy or a moderation service that is down.
"""

import re
from datetime import timedelta
from typing import Literal

from studio.errors import (
    AuthenticationError,
    BadStill,
    ContentRefused,
    Forbidden,
    GenerationFailed,
    InsufficientCredits,
    Maintenance,
    RateLimited,
    RequestRefused,
    SpendingCapReached,
    StillUnreachable,
    StudioError,
)
from studio.providers._foreign import quote

Meaning = Literal["content", "still", "unreachable", "balance", "rate", "transient", "other"]

RATE_WINDOW = timedelta(seconds=10)
"""At most 20 new tasks per account in this time; a request above it is dropped, not queued."""
MAINTENANCE_PAUSE = timedelta(minutes=2)

STILL_ADVICE = "Use a PNG or JPEG of at most 10 MB, at least 300 pixels a side, between 1:2.5 and 2.5:1"
REACH_ADVICE = "Check that the still's public address can be fetched from outside, or set STILL_HOST=kie"

_REFUSING = (400, 404, 405, 409, 413, 415, 422, 501, 505)
"""KIE.ai's own codes for a request that created nothing; the text has the reason."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_TECHNICAL = _any(
    r"\b(retry|retries|rate[- ]?limit\w*|back-?off|time-?out|scaling|lifecycle|bucket|access|iam|cors|network|cach\w+|"
    r"retention|quota|billing|pricing|refund|restart|eviction|scheduling|routing|circuit|load[- ]balanc\w*)"
    r"[- ]+polic(y|ies)",
    r"\b(case|time|latency|cost)[- ]sensitiv\w*",
    r"\b(constraint|foreign key|memory|access|segmentation|protocol|schema|sharing|type|rate[- ]limit)[- ]+violat\w*",
    r"\bviolat\w+ (of )?(the )?(\w+ )?(constraint|foreign key|schema|protocol|rate[- ]limit)\w*",
    r"\b(moderation|risk[- ]control|safety|content[- ]check)[- ](service|server|api|system|check|request)?\s*"
    r"(is |has |was )?"
    r"(temporarily |currently )?(unavailable|un-?reachable|timed?[- ]?out|down|overloaded|busy)",
    r"(重试|限流|缓存|调度)策略",
    r"(审核|風控|风控)(服务|系统|接口)?(超时|繁忙|不可用|异常)",
    r"\bimage[- ]?(to|2)[- ]?video\b|\bimage generation\b|\bmodel (file|weights|checkpoint)s?\b",
)
"""Sounds like a policy, a violation or a picture, and is none."""

_CONTENT = _any(
    r"polic(y|ies)\b",
    r"\bsensitiv",
    r"\bprohibit",
    r"\bnsfw\b",
    r"\bviolat",
    r"\bmoderat",
    r"\binappropriate",
    r"risk[- _]?control",
    r"\bunsafe\b|\bharmful\b|\bnot safe\b",
    r"safety (system|filter|check|guideline|setting|reason)|(for|due to) safety",
    r"content[- ](safety|filter|security|check)",
    r"\bguidelines?\b|terms of (service|use)|\bdisallowed\b|not allowed content",
    r"content (is |was )?(not allowed|blocked|rejected|flagged)",
    r"\bflagged\b|\bblocked by\b.{0,30}(filter|safety|content)|\bbanned\b|\bcensor",
    r"copyright|trademark|intellectual property|\binfring",
    r"public figure|celebrit|\blikeness\b|real person|recogni[sz]able (person|people|face)|\bpolitic(al|ian)",
    r"\bminors?\b|\bunder-?age|\bchild(ren)?\b.{0,20}(safety|abuse|sexual)|\bnud(e|ity)\b",
    r"\bsexual|\bporn|\bexplicit content|\berotic|\badult content|\bviolen(t|ce)\b|\bgore\b",
    r"\bgraphic content|\bhate(ful)?\b",
    r"self[- ]?harm|\bterroris|\bweapons?\b",
    # Chinese, simplified and traditional
    r"违规|違規|违反|違反|违法|違法|不合规|不合規|敏感|审核|審核|风控|風控|涉黄|涉黃|涉政|色情",
    r"裸露|低俗|暴力|血腥|恐怖",
    r"内容安全|內容安全|安全策略|安全审查|不安全内容|不当内容|不當內容|不适宜|不適宜|禁止内容|违禁|違禁|屏蔽|政治",
    r"版权|版權|侵权|侵權|肖像|公众人物|公眾人物|名人|明星|未成年",
    # Japanese, Korean
    r"ポリシー|ガイドライン|不適切|禁止|センシティブ|著作権|規約|有名人|著名人|未成年|わいせつ|検閲|審査",
    r"정책|가이드라인|부적절|민감|금지|저작권|유해|위반|검열|유명인|미성년|선정|음란|폭력",
    # Spanish, Portuguese, French, Italian
    r"pol[ií]tica de|pol[ií]ticas de|politique (de|d'|relative)|politiques? de contenu|normativa",
    r"inapropiad|inadequad|impr[oó]pri|inappropri|sensible\b|sens[ií]vel|prohibid|proibid|interdit|vietat|interdet",
    r"derechos de autor|direitos autorais|droits? d.auteur|diritto d.autore|figura p[uú]blica",
    r"personnalit[eé] publique|infra[cç]|viol[ae]",
    # German, Dutch, Polish, Turkish, Russian, Arabic, Vietnamese, Indonesian, Hindi
    r"richtlinie|unangemessen|verboten|unzul[aä]ssig|urheberrecht|pers[oö]nlichkeitsrecht|jugendschutz|anst[oö][sß]",
    r"beleid|ongepast|auteursrecht|zasad(y|ami)|niedozwolon|prawa autorsk|politika|uygunsuz|telif|yasak",
    r"политик|запрещ|недопустим|неприемлем|наруш|авторск|модерац|цензур|несовершеннолет",
    r"سياسة|محظور|غير لائق|حقوق النشر|انتهاك|chính sách|không phù hợp|vi phạm|bản quyền",
    r"kebijakan|tidak pantas|melanggar|hak cipta|नीति|अनुचित|उल्लंघन",
)

_PICTURE = (
    r"(image|picture|photo|the still|first[- ]?frame|input frame|图片|圖片|图像|圖像|画像|写真|"
    r"照片|首帧|首幀|이미지|사진|imagen|imagem|immagine|bild|изображени|картинк|resim|hình ảnh)"
)
_DEFECT = (
    r"(pixel|size|dimension|width|height|resolution|aspect|ratio|format|type|too (large|small|big)|exceed|"
    r"limit|corrupt|damaged|broken|decod|invalid|unsupported|not supported|unreadable|cannot be (read|opened|parsed)|"
    r"尺寸|大小|分辨率|解析度|格式|像素|比例|宽高|宽度|高度|"
    r"过大|過大|过小|超出|超过|超過|无效|無效|损坏|不支持|サイズ|解像度|形式|比率|無効|크기|"
    r"해상도|형식|비율|tama[nñ]o|tamanho|taille|formato|"
    r"r[eé]solution|gr[oö][sß]+e|aufl[oö]sung|seitenverh|размер|формат|разрешени|boyut)"
)
_MEDIA = (
    r"(image|picture|photo|media|file|url|resource|asset|link|图片|圖片|图像|素材|文件|链接|"
    r"媒体|画像|ファイル|이미지|파일|imagen|archivo|bild|datei|изображени|файл)"
)
_FETCH = (
    r"(\b(download|fetch|access|load|retriev|reach|open|get)|下载|下載|获取|獲取|拉取|访问|訪問|"
    r"读取|ダウンロード|取得|다운로드|descarg|t[eé]l[eé]charg|herunter|abgerufen|скачать|"
    r"загруз)"
)
_FAILED = (
    r"(fail|unable|can ?not|can't|could ?n[o']t|error|timed? ?out|timeout|denied|forbidden|失败|"
    r"失敗|超时|无法|無法|不能|できません|실패|no se pudo|erreur|impossible|fehl|nicht|"
    r"не удалось|ошибк)"
)

_STILL = _any(
    f"{_PICTURE}.{{0,60}}{_DEFECT}",
    f"{_DEFECT}.{{0,40}}{_PICTURE}",
    r"aspect[- ]ratio",
    r"宽高比|寬高比|アスペクト比|종횡비",
)
_UNREACHABLE = _any(
    f"{_FAILED}.{{0,30}}{_FETCH}.{{0,40}}{_MEDIA}",
    f"{_FETCH}.{{0,30}}{_MEDIA}.{{0,30}}{_FAILED}",
    f"{_MEDIA}.{{0,40}}{_FETCH}.{{0,20}}{_FAILED}",
    f"{_MEDIA}.{{0,40}}{_FAILED}.{{0,20}}{_FETCH}",
    f"{_MEDIA}.{{0,40}}(unreachable|inaccessible|not (publicly )?(accessible|reachable|found)|无法访问|不可访问)",
    r"(image|media|file|url) fetch fail",
)
_BALANCE = _any(
    r"(credit|balance|fund|quota of credits)s?\b.{0,40}(insufficient|not enough|exhaust|too low|"
    r"run out|ran out|used up|depleted)",
    r"(insufficient|not enough|no|out of|run out of|low) (\w+ )?(credit|balance|fund)s?\b",
    r"payment required|top[- ]?up|recharge|arrears|unpaid",
    r"(余额|餘額|积分|積分|点数|點數|额度)(不足|不够|已用完|用尽)|欠费|欠費|请充值|請充值",
    r"残高(が)?不足|クレジット(が)?不足|잔액|크레딧.{0,6}부족",
    r"saldo insuficiente|cr[eé]ditos? insuficiente|solde insuffisant|cr[eé]dits? insuffisant",
    r"guthaben|недостаточно (средств|кредитов)",
)
_RATE = _any(
    r"too many (requests|tasks|jobs|concurrent)|rate[- ]?limit|frequency|throttl|concurren\w+ (limit|task|request)",
    r"(parallel|concurrent) \w+ .{0,20}(limit|exceed)|queue is full|requests per",
    r"请求过于频繁|频率|请求过多|并发|限流|頻率|リクエストが多すぎ|レート制限|요청이 너무",
    r"demasiadas solicitudes|trop de requ|zu viele anfragen|слишком много",
)
_TRANSIENT = _any(
    r"time[d]?[- ]?out|try (it )?again|retry|temporar|unavailable|overload|busy|upstream",
    r"internal (server )?error|server (error|exception)",
    r"maintenance|maintain|connection (reset|refused|closed)|bad gateway|service (error|exception)",
    r"超时|超時|稍后|稍後|繁忙|维护|維護|内部错误|內部錯誤|服务异常|系统异常|タイムアウト",
    r"メンテナンス|混雑|시간 ?초과|점검|tiempo de espera|d[eé]lai|zeit[üu]berschreitung|wartung",
    r"тайм-?аут|попробуйте",
)


def meaning_of(text: str, code: int | None = None) -> Meaning:
    """What a refusal is about, by its text first: codes are reused for everything."""
    text = text.replace("_", " ")
    rest = _TECHNICAL.sub(" ", text)
    if _CONTENT.search(rest) or code in (1300, 1301):  # Kling's own codes of its moderation
        return "content"
    if _BALANCE.search(rest) or code == 402:
        return "balance"
    if _UNREACHABLE.search(rest) or code == 451:
        return "unreachable"
    if _STILL.search(rest):
        return "still"
    if _RATE.search(text) and not _TRANSIENT_FIRST.search(text):
        return "rate"
    return "transient" if _TRANSIENT.search(text) or rest != text else "other"


_TRANSIENT_FIRST = _any(r"retry policy|重试策略")


def task_failure(meaning: Meaning, failure: str) -> StudioError:
    """The error of a task that was taken and failed."""
    reason = failure or "no reason given"
    match meaning:
        case "content":
            return ContentRefused(f"Kling could not make the clip: {reason}")
        case "still":
            return BadStill(f"Kling does not take the still: {reason} - {STILL_ADVICE}")
        case "unreachable":
            return StillUnreachable(f"KIE.ai could not fetch the still: {reason} - {REACH_ADVICE}")
    return GenerationFailed(f"Kling could not make the clip: {reason}")


def refusal(code: int, text: str, wait: timedelta | None) -> StudioError | None:
    """The error of KIE.ai's own answer with this code; None where it stays open whether anything was done (408, 5xx).

    `wait`: what its `Retry-After` header asks for.
    """
    detail = f": {quote(text)}" if text else ""
    meaning = meaning_of(text, code)
    match code:
        case 401:
            return AuthenticationError("KIE.ai authentication failed - Check KIE_API_KEY")
        case 402:
            return InsufficientCredits(f"KIE.ai has no credits left - Top up the account{detail}")
        case 433:
            return SpendingCapReached(f"The spending cap of KIE_API_KEY is reached - Raise it at KIE.ai{detail}")
        case 455:
            return Maintenance(
                f"KIE.ai is under maintenance{detail}", retry_after=max(wait or MAINTENANCE_PAUSE, RATE_WINDOW)
            )
        case 429 | 430 if meaning != "balance":
            return RateLimited(
                f"KIE.ai takes no more tasks for now ({code})", retry_after=max(wait or RATE_WINDOW, RATE_WINDOW)
            )
        case 403 if meaning not in ("content", "balance"):
            return Forbidden(f"KIE.ai forbids this - Check the key's IP whitelist{detail}")
        case 403 | 429 | 430 | 451:
            return _by_meaning(meaning, code, detail, wait)
    return _by_meaning(meaning, code, detail, wait) if code in _REFUSING else None


def _by_meaning(meaning: Meaning, code: int, detail: str, wait: timedelta | None) -> StudioError:
    match meaning:
        case "content":
            return ContentRefused(f"KIE.ai's content policy refused the order ({code}){detail}")
        case "unreachable":
            return StillUnreachable(f"KIE.ai could not fetch the still{detail} - {REACH_ADVICE}")
        case "still":
            return RequestRefused(f"KIE.ai does not take the still ({code}){detail} - {STILL_ADVICE}")
        case "balance":
            return InsufficientCredits(f"KIE.ai has no credits left - Top up the account{detail}")
        case "rate":
            return RateLimited(f"KIE.ai takes no more tasks for now ({code}){detail}", retry_after=wait or RATE_WINDOW)
        case "transient" if code not in (404, 501, 505):
            return Maintenance(
                f"KIE.ai cannot take the order just now ({code}){detail}", retry_after=wait or MAINTENANCE_PAUSE
            )
    return RequestRefused(f"KIE.ai refused the request ({code}){detail}")
