/** What belongs to the whole page: appearance, shortcuts, sign-out. `children` come first. */
import { Ellipsis, Keyboard, LogOut } from "lucide-react";
import type { ReactNode } from "react";
import { wordsFor } from "../api/errors";
import { app, useApp } from "../store/app";
import { type Theme, ui, useUi } from "../store/ui";
import { t } from "../strings";
import { IconButton } from "./ui/controls";
import { Menu, MenuChoices, MenuItem, MenuSeparator } from "./ui/overlay";

const THEMES: readonly Theme[] = ["system", "light", "dark"];

export function AppMenu({ children }: { children?: ReactNode }) {
  const theme = useUi((state) => state.theme);
  const name = useApp((state) => state.me?.user.name || state.me?.user.email || "");
  const signOut = () => app.signOut().catch((error: unknown) => ui.complain(wordsFor(error)));
  return (
    <Menu trigger={<IconButton icon={Ellipsis} label={t.header.menu} />}>
      {children}
      {children ? <MenuSeparator /> : null}
      <MenuChoices
        label={t.header.theme}
        value={theme}
        choices={THEMES.map((value) => ({ value, name: t.header.themes[value] }))}
        onChange={(value) => ui.setTheme(value as Theme)}
      />
      <MenuSeparator />
      <MenuItem icon={Keyboard} onSelect={() => ui.showShortcuts(true)}>
        {t.header.shortcuts}
      </MenuItem>
      <MenuItem icon={LogOut} onSelect={() => void signOut()}>
        <span>
          {t.header.signOut}
          {name ? <span className="visually-hidden"> ({t.header.signedInAs(name)})</span> : null}
        </span>
      </MenuItem>
    </Menu>
  );
}
