function decodeUplink(input) {
  data_sum = 0;
  for (i = 0; i < input.bytes.length; i++) data_sum += input.bytes[i];
  return { data: { sum: data_sum } };
}
