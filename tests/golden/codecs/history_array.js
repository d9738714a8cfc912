function decodeUplink(input) {
  var out = [];
  for (var i = 0; i < input.bytes.length; i++) {
    out.push({ time: new Date(input.recvTime.getTime() - i * 600000).toISOString(), level: input.bytes[i] });
  }
  return { data: out };
}
