"""The Gradio theme: our colours and system fonts, so that no component falls back to orange and nothing is fetched from elsewhere.

Everything beyond variables is in qdash/ui/static/css, which also holds the palette.
"""

from gradio.themes import Base, Color

# A pale to deep scale of the accent, for what Gradio derives from its primary hue.
_TEAL = Color(
    "#f0fdfa", "#ccfbf1", "#99f6e4", "#5eead4", "#2dd4bf", "#14907e", "#0f6b5c", "#0d5a4e", "#0b4a40", "#093c34", "#06231f",
    name="qdash-teal",
)  # fmt: skip
_STONE = Color(
    "#fafaf8", "#f6f6f3", "#e4e4de", "#d2d2ca", "#9ba1a6", "#60646c", "#474b52", "#2b2f33", "#24282c", "#191c1f", "#101214",
    name="qdash-stone",
)  # fmt: skip
_FONTS = ("Inter", "system-ui", "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")


def theme() -> Base:
    """Build the theme; the palette itself is CSS variables, which follow light and dark by themselves."""
    return Base(primary_hue=_TEAL, secondary_hue=_TEAL, neutral_hue=_STONE, font=_FONTS, font_mono=_MONO).set(
        body_background_fill="var(--bg)", body_background_fill_dark="var(--bg)",
        body_text_color="var(--ink)", body_text_color_dark="var(--ink)",
        body_text_color_subdued="var(--soft)", body_text_color_subdued_dark="var(--soft)",
        background_fill_primary="var(--panel)", background_fill_primary_dark="var(--panel)",
        background_fill_secondary="var(--chip)", background_fill_secondary_dark="var(--chip)",
        border_color_primary="var(--line)", border_color_primary_dark="var(--line)",
        border_color_accent="var(--accent)", border_color_accent_dark="var(--accent)",
        color_accent="var(--accent)", color_accent_soft="var(--chip)", color_accent_soft_dark="var(--chip)",
        block_background_fill="transparent", block_background_fill_dark="transparent",
        block_border_width="0px", block_border_width_dark="0px", block_shadow="none", block_shadow_dark="none",
        block_padding="0", block_radius="0", block_label_background_fill="transparent",
        input_background_fill="var(--panel)", input_background_fill_dark="var(--panel)",
        input_border_color="var(--line)", input_border_color_dark="var(--line)",
        input_border_color_focus="var(--accent)", input_border_color_focus_dark="var(--accent)",
        input_radius="10px", input_shadow="none", input_shadow_focus="none",
        button_primary_background_fill="var(--accent)", button_primary_background_fill_dark="var(--accent)",
        button_primary_background_fill_hover="var(--accent)", button_primary_background_fill_hover_dark="var(--accent)",
        button_primary_text_color="var(--accent-ink)", button_primary_text_color_dark="var(--accent-ink)",
        button_secondary_background_fill="var(--chip)", button_secondary_background_fill_dark="var(--chip)",
        button_secondary_text_color="var(--ink)", button_secondary_text_color_dark="var(--ink)",
        link_text_color="var(--accent)", link_text_color_dark="var(--accent)",
        loader_color="var(--accent)", loader_color_dark="var(--accent)",
    )  # fmt: skip
