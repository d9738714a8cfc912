function decodeUplink(input) {
  var text = String.fromCharCode.apply(null, input.bytes);
  var m = /^T=(-?\d+\.\d+);H=(\d+)$/.exec(text);
  if (!m) return { errors: ['not understood'] };
  return { data: { t: parseFloat(m[1]), h: parseInt(m[2], 10) } };
}
