// Words numbers as the report's Python does: three digits that say something, and a unit that fits.
const significant = (value) => {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e-4 && size < 999.5) return String(Number(value.toPrecision(3)));
  if (size >= 999.5 && size < 1e7) return Math.round(value).toLocaleString("en-US");
  return value.toExponential(2);
};
const scaled = (value, steps) => {
  const [factor, unit] = steps.find(([least]) => Math.abs(value) >= least) || steps[steps.length - 1];
  return `${significant(value / factor)} ${unit}`;
};
const worded = (value, unit, suffix) => {
  if (unit === "ms") {
    if (Math.abs(value) >= 1e4) return `${significant(value / 1e3)} s`;
    return Math.abs(value) >= 0.1 || value === 0 ? `${significant(value)} ms` : `${significant(value * 1e3)} \u00b5s`;
  }
  if (unit === "bytes") return scaled(value, [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]]);
  if (unit === "percent") return `${significant(value * 100)} %`;
  if (unit === "times") return `${significant(value)}\u00d7`;
  return `${significant(value)} ${suffix}`.trim();
};
