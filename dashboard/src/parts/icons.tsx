/** Drawings of one stroke, 20 by 20; what they mean is said in words beside them. */
const paths = {
  overview: 'M3 11.5V17h3.5v-5.5zM8.25 7v10h3.5V7zM13.5 3v14H17V3z',
  sell: 'M3 9.2V4.5A1.5 1.5 0 0 1 4.5 3h4.700l7.6 7.600a1.5 1.5 0 0 1 0 2.100l-4.1 4.100a1.5 1.5 0 0 1-2.1 0zM6.7 6.700h.01',
  payments: 'M3 6.500h14M3 6.500V15h14V6.500M3 6.5 4.5 4h11L17 6.500M7 11h6',
  tokens: 'M12.5 3.500a4 4 0 1 1-3.3 6.300L4 15v2h2.500v-1.700H8v-1.600h1.600l1-1M13.3 6.600h.01',
  lightning: 'M11.5 2.5 4.5 11h4.800l-1 6.5 7.2-8.700h-4.900z',
  settings: 'M3 6h8M15 6h2M3 14h2M9 14h8M11 4v4h4V4zM5 12v4h4v-4z',
  try: 'M4 3.5 16 10 4 16.500l1.8-6.500zM5.8 10H10',
  check: 'm4 10.5 4 4 8-9',
  copy: 'M7.5 7.500V4h8.500v8.500h-3.500M4 7.500h8.500V16H4z',
  alert: 'M10 3 2.5 16.500h15zM10 8.500v3.500M10 14.300h.01',
  search: 'M8.8 3.500a5.3 5.3 0 1 1 0 10.6 5.3 5.3 0 0 1 0-10.600M12.7 12.7 17 17',
  close: 'm5 5 10 10M15 5 5 15',
  arrow: 'M4 10h12M11.5 5.5 16 10l-4.5 4.5',
  back: 'M16 10H4M8.5 5.5 4 10l4.5 4.5',
  plus: 'M10 4v12M4 10h12',
  download: 'M10 3v9.500M6 9l4 4 4-4M4 16.500h12',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

/** The sign of the house: a ticket with a flash in it. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path class="mark-ticket" d="M8 10h16v4a2.5 2.5 0 0 0 0 5v4H8v-4a2.5 2.5 0 0 0 0-5z" />
      <path class="mark-flash" d="M17.4 11.5 12.8 17h3l-1.2 4.5 4.6-5.700h-3z" />
    </svg>
  );
}
