/** The product's sign: one line of events, and what is made of it. */
export function Mark({ className }: { className?: string | undefined }) {
  return (
    <svg className={className} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <g stroke="var(--on-accent)" strokeWidth="2.6" strokeLinecap="round">
        <path d="M9 8v16" />
        <path d="M15.5 10.5H24M15.5 16H24M15.5 21.5h5" />
      </g>
      <circle cx="9" cy="16" r="3.4" fill="var(--on-accent)" />
    </svg>
  );
}
