/** What lies over the page: dialogs, menus, pickers. Focus and keys are the headless library's. */
import * as DialogPrimitive from "@radix-ui/react-dialog";
import * as MenuPrimitive from "@radix-ui/react-dropdown-menu";
import { Check, type LucideIcon, X } from "lucide-react";
import { createContext, type ReactNode, useContext, useRef } from "react";
import { t } from "../../strings";
import { Button, IconButton } from "./controls";
import styles from "./overlay.module.css";

interface DialogProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly title: string;
  readonly children: ReactNode;
}

export function Dialog({ open, onClose, title, children }: DialogProps) {
  const opener = useRef<HTMLElement | null>(null);
  return (
    <DialogPrimitive.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <DialogPrimitive.Portal>
        <DialogPrimitive.Overlay className={styles.scrim} />
        <DialogPrimitive.Content
          className={styles.dialog}
          data-modal
          aria-describedby={undefined}
          onOpenAutoFocus={() => {
            opener.current = openerOf(document.activeElement);
          }}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            opener.current?.focus();
          }}
        >
          <DialogPrimitive.Title className={styles.title}>{title}</DialogPrimitive.Title>
          {/* Before the rest, so that a long dialog opens at its beginning: this takes the focus. */}
          <DialogPrimitive.Close asChild>
            <IconButton icon={X} label={t.shortcuts.close} className={styles.close} />
          </DialogPrimitive.Close>
          {children}
        </DialogPrimitive.Content>
      </DialogPrimitive.Portal>
    </DialogPrimitive.Root>
  );
}

/** Where the focus was when a dialog came; for an entry of a menu, which is gone, its button. */
function openerOf(focused: Element | null): HTMLElement | null {
  const button = focused?.closest("[role=menu]")?.getAttribute("aria-labelledby");
  const opener = button ? document.getElementById(button) : focused;
  return opener instanceof HTMLElement ? opener : null;
}

interface ConfirmProps {
  readonly open: boolean;
  readonly title: string;
  readonly text: string;
  readonly yes: string;
  readonly no: string;
  readonly onYes: () => void;
  readonly onClose: () => void;
}

export function Confirm({ open, title, text, yes, no, onYes, onClose }: ConfirmProps) {
  return (
    <Dialog open={open} onClose={onClose} title={title}>
      <p className={styles.text}>{text}</p>
      <div className={styles.actions}>
        <Button onClick={onClose}>{no}</Button>
        <Button
          tone="danger"
          onClick={() => {
            onYes();
            onClose();
          }}
        >
          {yes}
        </Button>
      </div>
    </Dialog>
  );
}

/** Where menus are put: a landmark, so that who goes from one to the next does not miss them. */
export const MenuHost = createContext<HTMLElement | null>(null);

interface MenuProps {
  readonly trigger: ReactNode;
  readonly children: ReactNode;
  readonly align?: "start" | "end";
  readonly side?: "top" | "bottom";
}

export function Menu({ trigger, children, align = "end", side = "bottom" }: MenuProps) {
  const host = useContext(MenuHost);
  return (
    <MenuPrimitive.Root modal={false}>
      <MenuPrimitive.Trigger asChild>{trigger}</MenuPrimitive.Trigger>
      <MenuPrimitive.Portal container={host}>
        <MenuPrimitive.Content
          className={styles.menu}
          align={align}
          side={side}
          sideOffset={4}
          collisionPadding={8}
          loop
        >
          {children}
        </MenuPrimitive.Content>
      </MenuPrimitive.Portal>
    </MenuPrimitive.Root>
  );
}

interface MenuItemProps {
  readonly icon?: LucideIcon;
  readonly danger?: boolean;
  readonly onSelect: () => void;
  readonly children: ReactNode;
}

export function MenuItem({ icon: Icon, danger = false, onSelect, children }: MenuItemProps) {
  return (
    <MenuPrimitive.Item
      className={`${styles.item} ${danger ? styles.dangerItem : ""}`}
      onSelect={onSelect}
    >
      {Icon ? <Icon size={16} aria-hidden="true" /> : null}
      {children}
    </MenuPrimitive.Item>
  );
}

export interface Choice {
  readonly value: string;
  readonly name: string;
  readonly hint?: string | undefined;
}

interface ChoicesProps {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly Choice[];
  readonly onChange: (value: string) => void;
}

export function MenuChoices({ label, value, choices, onChange }: ChoicesProps) {
  return (
    <MenuPrimitive.RadioGroup value={value} onValueChange={onChange}>
      <MenuPrimitive.Label className={styles.label}>{label}</MenuPrimitive.Label>
      {choices.map((choice) => (
        <MenuPrimitive.RadioItem key={choice.value} value={choice.value} className={styles.item}>
          <span className={styles.check}>
            <MenuPrimitive.ItemIndicator>
              <Check size={16} aria-hidden="true" />
            </MenuPrimitive.ItemIndicator>
          </span>
          <span>
            {choice.name}
            {choice.hint ? <span className={styles.hint}>{choice.hint}</span> : null}
          </span>
        </MenuPrimitive.RadioItem>
      ))}
    </MenuPrimitive.RadioGroup>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <MenuPrimitive.Label className={styles.label}>{children}</MenuPrimitive.Label>;
}

export function MenuSeparator() {
  return <MenuPrimitive.Separator className={styles.separator} />;
}

export { styles as overlayStyles };
