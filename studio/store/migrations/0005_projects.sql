-- Projects and their sentences; the models, styles and characters they are made with; renders by ComfyUI.

create table generation_models (
    id            text             primary key,
    name          text             not null,
    category      text             not null check (category in ('image', 'video')),
    type          text             not null check (type in ('text-to-image', 'image-to-image', 'image-to-video')),
    -- The ComfyUI graph: the file's name without its ending.
    graph         text             not null,
    -- Where a user's own graph lies; null: it comes with Longtake.
    graph_file    jsonb,
    -- Null: as the graph itself has it.
    default_steps integer          check (default_steps > 0),
    default_cfg   double precision check (default_cfg >= 0),
    active        boolean          not null default true,
    updated_at    timestamptz      not null default now(),
    check ((category = 'video') = (type = 'image-to-video'))
);

create table visual_styles (
    id                           text             primary key,
    name                         text             not null,
    type                         text             not null check (type in ('prompt', 'lora')),
    prompt_prefix                text             not null default '',
    lora_file                    text,
    lora_strength                double precision not null default 1 check (lora_strength between 0 and 2),
    -- Empty: it works with any model.
    compatible_models            text[]           not null default '{}',
    requires_character_reference boolean          not null default false,
    active                       boolean          not null default true,
    updated_at                   timestamptz      not null default now(),
    check ((type = 'lora') = (lora_file is not null))
);

-- Styles are also found by name.
create unique index visual_styles_by_name on visual_styles (lower(name));

create table characters (
    channel      text        not null,
    character_id text        not null,
    name         text        not null,
    updated_at   timestamptz not null default now(),
    primary key (channel, character_id)
);

create table character_references (
    channel      text    not null,
    character_id text    not null,
    place        integer not null,
    media        jsonb   not null,
    primary key (channel, character_id, place),
    foreign key (channel, character_id) references characters (channel, character_id) on delete cascade
);

create table projects (
    channel       text        not null,
    project_id    text        not null,
    title         text        not null default '',
    -- What counts for all sentences that say nothing else.
    image_choices jsonb       not null default '{}',
    video_choices jsonb       not null default '{}',
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    primary key (channel, project_id)
);

create table sentences (
    channel         text             not null,
    project_id      text             not null,
    sentence_id     text             not null,
    position        integer          not null default 0,
    text            text             not null,
    image_prompt    text             not null default '',
    motion_prompt   text             not null default '',
    audio_file      jsonb,
    camera_movement text             not null default 'static' check (camera_movement in
        ('static', 'pan_left', 'pan_right', 'zoom_in', 'zoom_out', 'orbit', 'truck')),
    motion_strength double precision not null default 0.5 check (motion_strength between 0 and 1),
    image_choices   jsonb            not null default '{}',
    video_choices   jsonb            not null default '{}',
    image_file      jsonb,
    video_file      jsonb,
    is_image_dirty  boolean          not null default true,
    is_video_dirty  boolean          not null default true,
    -- What the files were made from; null when somebody brought them.
    image_take      text,
    video_take      text,
    -- What is being made just now, as long as it is what the sentence asks for.
    image_wanted    text,
    video_wanted    text,
    -- Counts the changes of what picture and clip are made from.
    version         bigint           not null default 1,
    created_at      timestamptz      not null default now(),
    updated_at      timestamptz      not null default now(),
    primary key (channel, project_id, sentence_id),
    foreign key (channel, project_id) references projects (channel, project_id) on delete cascade
);

-- Pictures and clips by ComfyUI graphs: what is made from the same inputs is made once in a channel.
create table renders (
    channel  text             not null,
    take     text             not null,
    parts    jsonb            not null,
    file     jsonb            not null,
    -- How long the server worked.
    seconds  double precision not null default 0,
    made_at  timestamptz      not null default now(),
    primary key (channel, take)
);

insert into generation_models (id, name, category, type, graph, default_steps, default_cfg) values
    ('z_image_turbo', 'Z-Image turbo', 'image', 'text-to-image', 'z_image_turbo', 8, 1),
    ('flux2_klein_edit', 'FLUX.2 klein edit', 'image', 'image-to-image', 'flux2_klein_edit', 20, 5),
    ('wan22_i2v', 'Wan 2.2 image to video', 'video', 'image-to-video', 'wan22_i2v', 20, 3.5);

insert into visual_styles (id, name, type, prompt_prefix, lora_file, lora_strength, compatible_models) values
    ('cinematic', 'Cinematic', 'prompt',
     'Cinematic film still, shallow depth of field, soft directional light, muted colours, fine grain.', null, 1, '{}'),
    ('watercolour', 'Watercolour', 'prompt',
     'Watercolour painting on rough paper, soft edges, visible brush strokes, light washes of colour.', null, 1, '{}'),
    ('pixel_art', 'Pixel art', 'lora', 'Pixel art style.', 'pixel_art_style_z_image_turbo.safetensors', 1,
     '{z_image_turbo}');
