function decodeUplink(input) {
  var d = new Date();
  var p = function (n) { return n < 10 ? '0' + n : n; };
  return { data: { now: d.getFullYear() + '-' + p(d.getMonth() + 1) + '-' + p(d.getDate()) + ' ' + p(d.getHours()) + ':' + p(d.getMinutes()) } };
}
