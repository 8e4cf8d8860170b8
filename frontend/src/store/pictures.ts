/** How a picture's bytes are had by who is not signed in; null: by its address. */
import { createContext } from "react";

export const PictureSource = createContext<((fileId: string) => Promise<string>) | null>(null);
