function decodeUplink(input) {
  var b = input.bytes, s = (b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]) >>> 0;
  return { data: { time: new Date(s * 1000).toISOString(), late: Math.round((Date.now() - s * 1000) / 1000) } };
}
