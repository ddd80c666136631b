#!/usr/bin/perl
# Plants the mutations of a list in copies of the sources: every one is there, and asleep until
# procctl_mutant has its number (mutant.cc). So all of them need one build.
#
#   plant.pl LIST SOURCES OUT    writes OUT/<file> for each file in SOURCES, and OUT/mutants
use strict;
use warnings;

my ($list, $sources, $out) = @ARGV;
defined $out or die "usage: plant.pl MUTATIONS SOURCES OUT\n";

sub slurp {
  my ($path) = @_;
  open(my $file, '<', $path) or die "$path: $!\n";
  local $/ = undef;
  return scalar <$file>;
}

# Replaces a file only if it changes: what did not is not compiled again.
sub spew {
  my ($path, $text) = @_;
  return if -e $path && slurp($path) eq $text;
  open(my $file, '>', $path) or die "$path: $!\n";
  print {$file} $text;
  close($file) or die "$path: $!\n";
}

my @mutations;
for my $line (split /\n/, slurp($list)) {
  if ($line =~ /^\[(\w+)\] (\S+) (expr|stmt)$/) {
    push @mutations, {name => $1, file => $2, kind => $3, old => '', new => ''};
  } elsif ($line =~ /^- (.*)$/ && @mutations) {
    $mutations[-1]{old} = $1;
  } elsif ($line =~ /^\+ (.*)$/ && @mutations) {
    $mutations[-1]{new} = $1;
  } elsif ($line !~ /^(#.*|\s*)$/) {
    die "$list: no mutation: $line\n";
  }
}

my (%insertions, %seen);
my $number = 0;
for my $m (@mutations) {
  ++$number;
  die "$list: $m->{name} is there twice\n" if $seen{$m->{name}}++;
  my $text = slurp("$sources/$m->{file}");
  my ($before, $old, $after) = ('', $m->{old}, '');
  ($before, $old, $after) = ($1, $2, $3) if $old =~ /^(.*?)\@\{(.*)\}\@(.*)$/;
  my ($b, $o, $a) = map { join '\s+', map { quotemeta } split ' ', $_ } ($before, $old, $after);
  $b .= '\s+' if $before =~ /\s$/;
  $a = '\s+' . $a if $after =~ /^\s+\S/;
  my @found;
  while ($text =~ /$b($o)$a/g) { push @found, [$-[1], $+[1]]; }
  die "$list: $m->{name}: its text occurs " . @found . " times in $m->{file}\n" if @found != 1;
  my ($begin, $end) = @{$found[0]};
  my $awake = "::procctl_mutant == $number";
  my ($open, $close) =
      $m->{kind} eq 'expr' ? ("($awake ? ($m->{new}) : (", '))') : ("if ($awake) { $m->{new} } else { ", ' }');
  # The longer one is outside.
  push @{$insertions{$m->{file}}}, [$begin, 1, -($end - $begin), $number, $open];
  push @{$insertions{$m->{file}}}, [$end, 0, $end - $begin, -$number, $close];
}

opendir(my $folder, $sources) or die "$sources: $!\n";
for my $file (grep { /\.(cc|h)$/ } readdir $folder) {
  my $text = slurp("$sources/$file");
  my @all = sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] || $a->[2] <=> $b->[2] || $a->[3] <=> $b->[3] }
      @{$insertions{$file} // []};
  for my $i (reverse @all) { substr($text, $i->[0], 0) = $i->[4]; }
  spew("$out/$file", "extern int procctl_mutant;\n#line 1 \"$file\"\n$text");
}
spew("$out/mutants", join('', map { "$_->{name}\n" } @mutations));
