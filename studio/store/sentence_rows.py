"""Sentences as rows: the statements that read and change them, and what comes back."""

from studio.contracts.model import ModelCategory

COLUMNS = """
channel, project_id, sentence_id, position, text, image_prompt, motion_prompt, audio_file, camera_movement,
motion_strength, image_choices as image, video_choices as video, image_file, video_file, is_image_dirty,
is_video_dirty, image_take, video_take, version
"""
_IMAGE_WORDS = "(s.text, s.image_prompt) is not distinct from (excluded.text, excluded.image_prompt)"
_VIDEO_WORDS = """
(s.motion_prompt, s.camera_movement, s.motion_strength, s.audio_file ->> 'sha256') is not distinct from
(excluded.motion_prompt, excluded.camera_movement, excluded.motion_strength, excluded.audio_file ->> 'sha256')
"""


def _choices(kind: str, same_words: str) -> str:
    """The choices from now on. A further variant stays chosen where the same is written again without naming one."""
    old, new = f"s.{kind}_choices", f"excluded.{kind}_choices"
    return f"""case when {same_words} and not {new} ? 'variant' and {old} - 'variant' = {new}
                    then {old} else {new} end"""


_IMAGE_CHOICES, _VIDEO_CHOICES = _choices("image", _IMAGE_WORDS), _choices("video", _VIDEO_WORDS)
_IMAGE_CHANGED = f"(not ({_IMAGE_WORDS}) or s.image_choices <> {_IMAGE_CHOICES})"
_VIDEO_CHANGED = f"(not ({_VIDEO_WORDS}) or s.video_choices <> {_VIDEO_CHOICES})"
PUT_SENTENCE = f"""
insert into sentences as s (channel, project_id, sentence_id, position, text, image_prompt, motion_prompt, audio_file,
                            camera_movement, motion_strength, image_choices, video_choices)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (channel, project_id, sentence_id) do update
   set position = excluded.position, text = excluded.text, image_prompt = excluded.image_prompt,
       motion_prompt = excluded.motion_prompt, audio_file = excluded.audio_file,
       camera_movement = excluded.camera_movement, motion_strength = excluded.motion_strength,
       image_choices = {_IMAGE_CHOICES},
       video_choices = {_VIDEO_CHOICES},
       is_image_dirty = s.is_image_dirty or {_IMAGE_CHANGED},
       is_video_dirty = s.is_video_dirty or {_IMAGE_CHANGED} or {_VIDEO_CHANGED},
       image_wanted = case when {_IMAGE_CHANGED} then null else s.image_wanted end,
       video_wanted = case when {_IMAGE_CHANGED} or {_VIDEO_CHANGED} then null else s.video_wanted end,
       version = s.version + ({_IMAGE_CHANGED} or {_VIDEO_CHANGED})::int,
       updated_at = now()
"""

THIS = "where s.channel = $1 and s.project_id = $2 and s.sentence_id = $3"


def _is_not(kind: str, take: str) -> str:
    """Whether a file is not this take. One that was brought by hand has none: only a change of the sentence speaks
    against it, as it does where nobody knows the take."""
    return f"""case when {kind}_file is null then true
                    else coalesce({kind}_take <> {take}, is_{kind}_dirty) end"""


WANT_IMAGE = f"""
update sentences s
   set image_wanted = $5, updated_at = now(),
       is_image_dirty = {_is_not("image", "$5")}
 {THIS} and version = $4 returning {COLUMNS}
"""
WANT_VIDEO = f"""
update sentences s
   set video_wanted = $5, updated_at = now(),
       is_video_dirty = {_is_not("video", "$5")}
 {THIS} and version = $4 returning {COLUMNS}
"""
COMPARE = f"""
update sentences s set is_image_dirty = {_is_not("image", "$5")}, is_video_dirty = {_is_not("video", "$6")}
 {THIS} and version = $4
"""

CHOOSE_IMAGE_VARIANT = f"""
update sentences s
   set image_choices = image_choices || jsonb_build_object('variant', $5::int),
       is_image_dirty = true, is_video_dirty = true, image_wanted = null, video_wanted = null,
       version = version + 1, updated_at = now()
 {THIS} and version = $4
"""
CHOOSE_VIDEO_VARIANT = f"""
update sentences s
   set video_choices = video_choices || jsonb_build_object('variant', $5::int),
       is_video_dirty = true, video_wanted = null, version = version + 1, updated_at = now()
 {THIS} and version = $4
"""

_NEW_PICTURE = "(s.image_file ->> 'sha256' is distinct from $4::jsonb ->> 'sha256')"
TAKE_PICTURE = f"""
update sentences s
   set image_file = $4, image_take = $5, image_wanted = $5, is_image_dirty = false,
       is_video_dirty = s.is_video_dirty or {_NEW_PICTURE},
       video_wanted = case when {_NEW_PICTURE} then null else s.video_wanted end,
       version = s.version + {_NEW_PICTURE}::int, updated_at = now()
 {THIS}
"""
TAKE_CLIP = f"""
update sentences s
   set video_file = $4, video_take = $5, video_wanted = $5, is_video_dirty = false, updated_at = now()
 {THIS}
"""

WANTS = {kind: f"select {kind}_wanted is not distinct from $4 from sentences s {THIS}" for kind in ModelCategory}
LOSE = {
    kind: f"""
update sentences s set {kind}_file = null, {kind}_take = null, is_{kind}_dirty = true, updated_at = now()
 {THIS} and {kind}_file ->> 'sha256' = $4
"""
    for kind in ModelCategory
}
