// Numbers, money and times as a person reads them, in the browser's language and time zone.

const whole = new Intl.NumberFormat();
const signed = new Intl.NumberFormat(undefined, { signDisplay: "exceptZero" });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

let moneyFormat = null;

/** Until this is called amounts are shown without a currency. */
export function useCurrency(code) {
  try {
    moneyFormat = new Intl.NumberFormat(undefined, { style: "currency", currency: code });
  } catch {
    moneyFormat = null; // a code that this browser does not know
  }
}

export const number = (value) => whole.format(value);
export const change = (value) => signed.format(value).replace("-", "−");
export const percent = (value) => (value > 0 && value < 0.005 ? "<1%" : share.format(value));
export const dateTime = (value) => exact.format(new Date(value));
export const date = (value) => day.format(new Date(value));
export const points = (value) => `${number(value)} ${Math.abs(value) === 1 ? "point" : "points"}`;
export const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;

export function money(value) {
  return moneyFormat ? moneyFormat.format(Number(value)) : whole.format(Number(value));
}

const STEPS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 days ago"; anything less than a minute away, on either side, is "just now". */
export function ago(value, now = Date.now()) {
  const seconds = (new Date(value).getTime() - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}
