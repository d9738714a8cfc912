var decoded = {};
function decodeUplink(input) {
  if (input.bytes[0] === 1) decoded.first = true;
  if (input.bytes[0] === 2) decoded.second = true;
  return { data: decoded };
}
