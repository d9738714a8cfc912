var curve = [[2.1, 0], [2.7, 20], [3.0, 80], [3.6, 100]];
function percent(v) {
  for (var i = 1; i < curve.length; i++) {
    if (v <= curve[i][0]) { var a = curve[i - 1], b = curve[i]; return a[1] + (v - a[0]) * (b[1] - a[1]) / (b[0] - a[0]); }
  }
  return 100;
}
function decodeUplink(input) { return { data: { battery: percent(input.bytes[0] / 10) } }; }
