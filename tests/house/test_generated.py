"""Nothing is forgotten by the generators."""

from __future__ import annotations

from generate import settings


def test_every_settings_module_is_in_the_reference() -> None:
    assert settings.modules_in_tree() == set(settings.MODULES)


def test_every_setting_is_described() -> None:
    bare = [
        f"{found.__name__}.{name}"
        for found in settings.classes()
        for name, field in found.model_fields.items()
        if not field.description
    ]
    assert bare == []
