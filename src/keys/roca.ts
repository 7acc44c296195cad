/**
 * Recognises RSA moduli whose private key can be computed from them (ROCA, CVE-2017-15361).
 *
 * Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §3.1: a flawed chip library made primes such that the
 * modulus is a power of 65537 modulo every small prime. A sound modulus passes for all of them with odds below 2^-27.
 */

/** The primes that divide the library's constant M for 512-bit keys, which all larger sizes share. */
const PRIMES = [
  ...[3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73],
  ...[79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167],
]

export function isRocaModulus(modulus: bigint): boolean {
  return PRIMES.every(prime => isPowerOf65537(Number(modulus % BigInt(prime)), prime))
}

function isPowerOf65537(residue: number, prime: number): boolean {
  let power = 1
  do {
    if (power === residue) return true
    power = (power * 65_537) % prime
  } while (power !== 1)
  return false
}
