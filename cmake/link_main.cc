// What a link test needs to be a program.
int main() {
  return 0;
}
