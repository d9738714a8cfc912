function decodeUplink(input) {
  return { data: { iso: input.recvTime.toISOString(), hour: input.recvTime.getHours(), ago: new Date(input.recvTime.getTime() - input.bytes[0] * 60000).toISOString() } };
}
