function decodeUplink(input) {
  var sorted = input.bytes.slice().sort(function (a, b) { return a - b; });
  return { data: { median: sorted[sorted.length >> 1], mean: input.bytes.reduce(function (a, b) { return a + b; }, 0) / input.bytes.length } };
}
