/**
 * What may be said of a server's address: it can hold a password.
 */

/** Whether that is the address of a PostgreSQL server. */
export function isAddress(text: string): boolean {
  return /^postgres(?:ql)?:\/\//i.test(text) && URL.canParse(text);
}

/** Host and database, such as `db.example.com:5432/shop`, without who logs in there and how; undefined where it cannot be read. */
export function placeOf(address: string): string | undefined {
  const url = URL.parse(address);
  return url === null ? undefined : `${url.host}${url.pathname}`;
}

/** Whether it lets somebody in by itself. */
export function hasPassword(address: string): boolean {
  const url = URL.parse(address);
  return url !== null && (url.password !== '' || url.searchParams.has('password'));
}
